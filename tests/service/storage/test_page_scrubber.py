"""After a scrub nothing of what was erased or replaced is in the raw file, and everything else is whole."""

import asyncio
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import lmdb
import pytest

from service.storage import page_scrubber
from service.storage.detection_store import DetectionStore
from service.storage.lmdb_pages import InconsistentPages, newest_snapshot
from service.storage.page_buffers import node_sizes, overwrite_buffers
from service.storage.page_scrubber import PageScrubber, ScrubIncomplete
from service.storage.reindexed_maps import ReindexedMap, crop_digest
from tests.service.storage.erasable_records import change_value, draw_record, numbers_in
from tests.service.storage.scrub_histories import HISTORIES, History, check_whole

pytestmark = pytest.mark.anyio


@pytest.fixture
def store(data_dir: Path) -> Iterator[DetectionStore]:
    store = DetectionStore.open(data_dir)
    yield store
    store.close()


@pytest.mark.parametrize("seed", range(1, HISTORIES + 1))
async def test_nothing_erased_is_left_whatever_the_history(store: DetectionStore, data_dir: Path, seed: int) -> None:
    history = History(store, seed)
    for _ in range(3):
        await history.go_on(groups=4)
        assert numbers_in(data_dir) & history.gone, "the test looks in the wrong place"
        report = await asyncio.to_thread(store.scrub)
        assert report.zeroed_pages > 0
        there = {record.metadata.timestamp_us for record in history.there.values()}
        assert numbers_in(data_dir) == there
        check_whole(store, history.there, data_dir)
    gone = set(history.gone)
    await history.go_on(groups=5)
    # Nothing comes back with the buffers that LMDB keeps in memory.
    assert not numbers_in(data_dir) & gone
    store.close()
    reopened = DetectionStore.open(data_dir)
    check_whole(reopened, history.there, data_dir)
    reopened.close()


async def test_without_overwriting_the_buffers_erased_bytes_come_back(
    store: DetectionStore, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why the scrubber overwrites them: the other test would not fail without cause."""
    monkeypatch.setattr(PageScrubber, "_overwrite_buffers", lambda *_: None)
    history = History(store, seed=1)
    await history.go_on(groups=10)
    gone = set(history.gone)
    store.scrub()
    await history.go_on(groups=10)
    assert numbers_in(data_dir) & gone


async def test_a_replaced_record_and_an_emptied_store(store: DetectionStore, data_dir: Path) -> None:
    drawn = random.Random(5)
    await store.put(draw_record("a", 1, drawn))
    assert await store.put(draw_record("a", 2, drawn)) is False
    assert store.is_scrub_due
    store.scrub()
    assert not store.is_scrub_due
    assert numbers_in(data_dir) == {2}
    await store.delete(["a"])
    store.scrub()
    assert numbers_in(data_dir) == set()


async def test_what_was_erased_before_the_service_knew_of_scrubs(data_dir: Path) -> None:
    """A store of an earlier version, with pages beyond its last one that a crash left."""
    store = DetectionStore.open(data_dir)
    await store.put(draw_record("a", 1, random.Random(1)))
    await store.put(draw_record("b", 2, random.Random(1)))
    await store.delete(["a"])
    store.close()
    with (data_dir / "records" / "data.mdb").open("ab") as file:
        file.write(draw_record("c", 3, random.Random(1)).crop + bytes(9000))
    store = DetectionStore.open(data_dir)
    assert store.is_scrub_due
    assert numbers_in(data_dir) == {1, 2, 3}
    store.scrub()
    assert numbers_in(data_dir) == {2}
    assert store.get_crop("b")
    store.close()


async def test_writers_and_readers_go_on_meanwhile(store: DetectionStore, data_dir: Path) -> None:
    history = History(store, seed=9)
    await history.go_on(groups=8)
    gone = set(history.gone)
    may_end = threading.Event()

    def read() -> None:
        while not may_end.is_set():
            for record in store.iterate_records(pytest.fail):
                assert record.crop.startswith(b"tale:i:%08d" % record.metadata.timestamp_us)

    async def scrub() -> None:
        for _ in range(4):
            await asyncio.to_thread(store.scrub)

    reader, scrubbing = asyncio.create_task(asyncio.to_thread(read)), asyncio.create_task(scrub())
    while not scrubbing.done():
        await history.go_on(groups=1)
        await asyncio.sleep(0)
    may_end.set()
    await asyncio.gather(reader, scrubbing)
    assert not numbers_in(data_dir) & gone
    check_whole(store, history.there, data_dir)


async def test_what_a_reader_may_still_see_stays_until_it_ends(
    store: DetectionStore, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_scrubber, "_SECONDS_FOR_READERS", 0.1)
    record = draw_record("a", 1, random.Random(1))
    await store.put(record)
    with store._environment.begin() as reader:
        await store.delete(["a"])
        with pytest.raises(ScrubIncomplete, match="a reader"):
            store.scrub()
        assert store.is_scrub_due
        assert reader.get(b"a", db=store._databases._databases.crops) == record.crop
    store.scrub()
    assert numbers_in(data_dir) == set()


async def test_a_reader_of_another_process_counts_too(
    store: DetectionStore, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_scrubber, "_SECONDS_FOR_READERS", 0.1)
    await store.put(draw_record("a", 1, random.Random(1)))
    program = (
        "import lmdb, sys; environment = lmdb.open(sys.argv[1]); reader = environment.begin()\n"
        "print('reading', flush=True); input()"
    )
    command = [sys.executable, "-c", program, str(data_dir / "records")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        await store.delete(["a"])
        with pytest.raises(ScrubIncomplete, match="a reader"):
            store.scrub()
        process.kill()
    store.scrub()  # a reader that died is none
    assert numbers_in(data_dir) == set()


@pytest.mark.parametrize("harm", ["lost", "damaged"])
async def test_what_is_not_understood_is_left_alone(store: DetectionStore, data_dir: Path, harm: str) -> None:
    path = data_dir / "records" / "data.mdb"
    await store.put(draw_record("a", 1, random.Random(1)))
    await store.delete(["a"])
    descriptor = os.open(path, os.O_RDWR)
    snapshot = newest_snapshot(descriptor)
    if harm == "lost":
        data = os.pread(descriptor, 4096, snapshot.free_root * 4096)
        node = int.from_bytes(data[16:18], "little")
        count = data[node + 16]
        os.pwrite(descriptor, bytes([count - 1]), snapshot.free_root * 4096 + node + 16)
    else:
        os.pwrite(descriptor, b"\xff", snapshot.main_root * 4096)
    os.close(descriptor)
    before = path.read_bytes()
    with pytest.raises((InconsistentPages, lmdb.Error)):
        store.scrub()
    assert path.read_bytes() == before
    assert store.is_scrub_due


async def test_a_closed_store_is_not_scrubbed(store: DetectionStore) -> None:
    store.close()
    with pytest.raises(ScrubIncomplete, match="being closed"):
        store.scrub()


async def test_a_full_map_is_said(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_scrubber, "overwrite_buffers", partial(overwrite_buffers, pages=20_000))
    store = DetectionStore.open(data_dir, capacity_bytes=2**20)
    with pytest.raises(ScrubIncomplete, match="QACONV_DISK_CAPACITY_BYTES"):
        store.scrub()
    assert await store.put(draw_record("a", 1, random.Random(1))) is True
    store.close()


@pytest.mark.parametrize("empty_bytes", [0, 10, 12, 40, 2040, 2042, 3674, 4064])
def test_nodes_fill_a_page_to_the_last_byte(empty_bytes: int) -> None:
    sizes = node_sizes(empty_bytes)
    nodes = [2 + 8 + 2 + size + size % 2 for size in sizes]
    assert sum(nodes) == (empty_bytes if empty_bytes >= 12 else 0)
    assert all(12 <= node <= 2040 for node in nodes)


async def test_a_record_in_the_place_of_one_set_aside_leaves_nothing_of_it(
    store: DetectionStore, data_dir: Path
) -> None:
    await store.put(draw_record("a", 1, random.Random(1)))
    change_value(store, b"crops", b"a", b"what is no crop of it")
    assert await store.set_aside("a", "its crop is another", 1)
    store.scrub()
    assert numbers_in(data_dir) == {1}
    assert await store.put(draw_record("a", 2, random.Random(1))) is True
    assert store.is_scrub_due
    assert not store.is_erasure_unscrubbed
    store.scrub()
    assert numbers_in(data_dir) == {2}


async def test_nothing_is_left_of_a_detection_with_a_reindexed_map_and_one_set_aside(
    store: DetectionStore, data_dir: Path
) -> None:
    for number, name in enumerate("ab", start=1):
        await store.put(draw_record(name, number, random.Random(number)))
        stage_map(store, name, number + 2)
    assert numbers_in(data_dir) == {1, 2, 3, 4}
    change_value(store, b"crops", b"a", b"what is no crop of it")
    assert await store.set_aside("a", "its crop is another", 1)
    await store.delete(["a", "b"])
    assert store.is_erasure_unscrubbed
    store.scrub()
    assert numbers_in(data_dir) == set()
    assert b"tale" not in (data_dir / "records" / "data.mdb").read_bytes()


async def test_a_scrub_that_waits_for_a_reader_does_not_let_the_file_grow(
    store: DetectionStore, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_scrubber, "_SECONDS_FOR_READERS", 0.3)
    await store.put(draw_record("a", 1, random.Random(1)))
    with store._environment.begin():
        await store.delete(["a"])
        before = store._environment.info()["last_txnid"]
        for _ in range(3):
            with pytest.raises(ScrubIncomplete, match="a reader"):
                store.scrub()
        assert store._environment.info()["last_txnid"] <= before + 3


def stage_map(store: DetectionStore, detection_id: str, number: int) -> None:
    """As a reindex does it."""
    crop = store.get_crop(detection_id)
    assert crop is not None
    feature_map = draw_record(detection_id, number, random.Random(number)).feature_map
    with store._environment.begin(write=True) as transaction:
        staged = ReindexedMap(detection_id, "e" * 64, crop_digest(crop), feature_map)
        assert store._databases.stage(transaction, staged)

"""Two processes on the same records: the service's store in a process of its own, the reindex's in this one."""

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from service.errors import StorageFull
from service.records import DetectionRecord
from service.storage.detection_store import DetectionStore
from service.storage.reindex_store import NoGallery, ReindexEnded, ReindexStore
from service.storage.reindexed_maps import ReindexedMap, crop_digest
from tests.service.storage.erasable_records import draw_record, numbers_in

NEW = "ab" * 32
MEBIBYTE = 2**20

# Puts records d<first> … into a store and closes it. One crop is 100,000 bytes.
WRITER = """
import asyncio, sys
from pathlib import Path
import numpy as np
from service.records import DetectionMetadata, DetectionRecord
from service.storage.detection_store import DetectionStore

data_dir, capacity, first, last = sys.argv[1], *map(int, sys.argv[2:])
store = DetectionStore.open(Path(data_dir), capacity)
for number in range(first, last):
    metadata = DetectionMetadata(f"d{number:03}", "c", number, None, None, 40, 80, "image/jpeg", "f" * 64, 0)
    feature_map = np.full((4, 3, 2), 0.5, np.float16)
    asyncio.run(store.put(DetectionRecord(metadata, feature_map, bytes([number % 256]) * 100_000)))
store.close()
"""


def write(data_dir: Path, capacity_bytes: int, first: int, last: int) -> None:
    arguments = [str(data_dir), str(capacity_bytes), str(first), str(last)]
    subprocess.run([sys.executable, "-c", WRITER, *arguments], check=True, timeout=60)


def maps_of(store: ReindexStore, detection_ids: list[str], values: int = 24) -> list[ReindexedMap]:
    maps = []
    for detection_id in detection_ids:
        record = store.get_record(detection_id)
        assert record is not None
        feature_map = np.ones((values, 1, 1), np.float16)
        maps.append(ReindexedMap(detection_id, NEW, crop_digest(record.crop), feature_map))
    return maps


def test_a_file_that_outgrew_this_process_is_still_read_and_written(tmp_path: Path) -> None:
    write(tmp_path, MEBIBYTE, 0, 3)
    with ReindexStore.open(tmp_path, MEBIBYTE) as store:
        store.remember_reindex(NEW)
        assert store.stage(maps_of(store, ["d000"])) == 1
        write(tmp_path, 64 * MEBIBYTE, 3, 203)  # 20 MB: four times the map of this process
        assert len(store.list_metadata(pytest.fail)) == 203
        assert store.stage(maps_of(store, ["d001", "d202"])) == 2
        assert store.get_fresh("d202", NEW) is not None
        assert store.get_fresh("d003", NEW) is None
        assert store.count_reindexed() == 3
        write(tmp_path, 64 * MEBIBYTE, 202, 203)  # the very same again takes the map along, until it is made again
        assert store.get_fresh("d202", NEW) is None


def test_the_services_capacity_holds_for_the_maps_too(tmp_path: Path) -> None:
    write(tmp_path, 64 * MEBIBYTE, 0, 8)
    with ReindexStore.open(tmp_path, 2**40) as store:
        store.remember_reindex(NEW)
        assert 60 * MEBIBYTE < store.free_bytes < 64 * MEBIBYTE
        write(tmp_path, MEBIBYTE, 0, 1)
        with pytest.raises(StorageFull, match="1,048,576 bytes"):
            store.stage(maps_of(store, [f"d{number:03}" for number in range(8)], values=100_000))
        assert store.count_reindexed() == 0
        assert store.stage(maps_of(store, ["d003"])) == 1


def test_maps_that_nobody_wants_any_more_are_not_kept(tmp_path: Path) -> None:
    write(tmp_path, MEBIBYTE, 0, 1)
    with ReindexStore.open(tmp_path, MEBIBYTE) as store:
        with pytest.raises(ReindexEnded):
            store.stage(maps_of(store, ["d000"]))
        assert store.count_reindexed() == 0


def test_a_directory_without_records(tmp_path: Path) -> None:
    with pytest.raises(NoGallery):
        ReindexStore.open(tmp_path, MEBIBYTE)


@pytest.mark.anyio
async def test_a_reader_that_was_killed_does_not_hold_pages_for_ever(
    tmp_path: Path, make_record: Callable[..., DetectionRecord]
) -> None:
    store = DetectionStore.open(tmp_path, 16 * MEBIBYTE)
    await store.put(make_record("d1"))
    code = (
        "import lmdb, sys, time\n"
        "environment = lmdb.open(sys.argv[1], map_size=0, max_dbs=8)\n"
        "transaction = environment.begin()\n"
        "print('reading', flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "records")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        assert store.model_switch.forget_dead_readers() == 0
        reader.send_signal(signal.SIGKILL)
    assert store.model_switch.forget_dead_readers() == 1
    store.close()


# Stages small maps for all records, then, when a line comes, for some of them again.
STAGER = """
import sys
from pathlib import Path
import numpy as np
from service.storage.reindex_store import ReindexStore
from service.storage.reindexed_maps import ReindexedMap, crop_digest
from tests.service.storage.erasable_records import map_of

with ReindexStore.open(Path(sys.argv[1]), 2**30) as store:
    store.remember_reindex("ab" * 32)
    for round in (1, 2):
        ids = [each.detection_id for each in store.list_metadata(print)]
        for start in range(0, len(ids), 16):
            wanted = ids[start : start + 16 : 4**(round - 1)]
            crops = {each: store.get_record(each).crop for each in wanted}
            maps = [
                ReindexedMap(each, "ab" * 32, crop_digest(crop), map_of(round * 10_000 + int(each[1:])))
                for each, crop in crops.items()
            ]
            store.stage(maps)
        print("staged", flush=True)
        input()
"""


@pytest.mark.anyio
async def test_what_was_erased_does_not_come_back_out_of_the_other_process_memory(tmp_path: Path) -> None:
    service = DetectionStore.open(tmp_path)
    for number in range(300):
        await service.put(draw_record(f"d{number:03}", number, random.Random(number)))
    command = [sys.executable, "-c", STAGER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "staged\n"
        erased = range(1, 300, 2)
        assert numbers_in(tmp_path) >= {10_000 + number for number in erased}
        await service.delete([f"d{number:03}" for number in erased])
        service.scrub()
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "staged\n"
        assert not numbers_in(tmp_path) & {base + number for number in erased for base in (0, 10_000)}
        process.stdin.write("\n")
    assert process.returncode == 0
    service.close()

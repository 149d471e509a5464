import asyncio
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy as np
import pytest

from service.records import DetectionRecord
from service.storage.data_directory_lock import DataDirectoryInUse
from service.storage.detection_store import DetectionStore
from service.storage.record_encoding import DamagedRecord

pytestmark = pytest.mark.anyio

MakeRecord = Callable[..., DetectionRecord]


@pytest.fixture
def store(data_dir: Path) -> Iterator[DetectionStore]:
    store = DetectionStore.open(data_dir)
    yield store
    store.close()


def assert_same(found: DetectionRecord | None, expected: DetectionRecord) -> None:
    assert found is not None
    assert found.metadata == expected.metadata
    assert found.crop == expected.crop
    np.testing.assert_array_equal(found.feature_map, expected.feature_map)


async def test_a_record_comes_back_whole_and_in_parts(store: DetectionStore, make_record: MakeRecord) -> None:
    record = make_record("a:1.-_")
    assert await store.put(record) is True
    assert_same(store.get_record("a:1.-_"), record)
    assert store.get_metadata("a:1.-_") == record.metadata
    assert store.get_crop("a:1.-_") == record.crop
    feature_map = store.get_feature_map("a:1.-_")
    assert feature_map is not None
    np.testing.assert_array_equal(feature_map, record.feature_map)
    assert store.count() == 1


async def test_the_same_put_again_replaces(store: DetectionStore, make_record: MakeRecord) -> None:
    first = make_record("a")
    second = replace(make_record("b"), metadata=replace(first.metadata, camera_id="c2"))
    assert await store.put(first) is True
    assert await store.put(first) is False
    assert await store.put(second) is False
    assert_same(store.get_record("a"), second)
    assert store.count() == 1


async def test_what_is_not_there_is_none(store: DetectionStore) -> None:
    assert store.get_record("x") is None
    assert store.get_metadata("x") is None
    assert store.get_crop("x") is None
    assert store.get_feature_map("x") is None
    assert list(store.iterate_records()) == []
    assert list(store.iterate_metadata()) == []


async def test_deleting_returns_those_that_were_there(store: DetectionStore, make_record: MakeRecord) -> None:
    records = [make_record(name) for name in ("a", "b", "c")]
    for record in records:
        await store.put(record)
    assert await store.delete(["c", "nobody", "a"]) == [records[2].metadata, records[0].metadata]
    assert await store.delete(["c", "a"]) == []
    assert await store.delete([]) == []
    assert store.get_crop("a") is None
    assert store.get_feature_map("a") is None
    assert [each.detection_id for each in store.iterate_metadata()] == ["b"]


async def test_many_are_iterated_in_order_while_others_are_written(
    store: DetectionStore, make_record: MakeRecord
) -> None:
    names = [f"d{number:04}" for number in range(150)]  # several reads of records
    await asyncio.gather(*(store.put(make_record(name)) for name in reversed(names)))
    walked = store.iterate_records()
    found = [next(walked)]
    await store.put(make_record("a-before"))
    await store.put(make_record("e-after"))
    await store.delete(["d0149"])
    found += walked
    assert [each.metadata.detection_id for each in found] == [*names[:149], "e-after"]
    for record in found[:149]:
        assert_same(record, make_record(record.metadata.detection_id))


async def test_more_than_one_read_of_metadata(store: DetectionStore, make_record: MakeRecord) -> None:
    small = replace(make_record("x"), feature_map=np.ones((1, 1, 1), np.float16), crop=b"c")
    names = [f"{number:05}" for number in range(2000)]  # a whole number of reads, too
    for start in range(0, len(names), 500):
        await asyncio.gather(
            *(
                store.put(replace(small, metadata=replace(small.metadata, detection_id=name)))
                for name in names[start : start + 500]
            )
        )
    assert [each.detection_id for each in store.iterate_metadata()] == names
    assert len(await store.delete(names)) == 2000
    assert store.count() == 0
    assert store.used_bytes() == 0


async def test_it_is_there_after_a_new_start(data_dir: Path, make_record: MakeRecord) -> None:
    store = DetectionStore.open(data_dir)
    await store.put(make_record("a"))
    with pytest.raises(DataDirectoryInUse):
        DetectionStore.open(data_dir)
    store.close()
    store.close()
    assert not store.is_alive
    again = DetectionStore.open(data_dir)
    assert_same(again.get_record("a"), make_record("a"))
    again.close()


async def test_files_are_private(tmp_path: Path, make_record: MakeRecord) -> None:
    store = DetectionStore.open(tmp_path / "new" / "data")
    await store.put(make_record("a"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new" / "data").rglob("*")}
    store.close()
    assert modes == {"records": 0o700, "data.mdb": 0o600, "lock.mdb": 0o600, "reserve": 0o600, "lock": 0o600}


async def test_damaged_records_are_reported_and_skipped(data_dir: Path, make_record: MakeRecord) -> None:
    store = DetectionStore.open(data_dir)
    for name in ("a", "b", "c", "d", "e"):
        await store.put(make_record(name))
    store.close()
    damage(data_dir, "metadata", b"b", b"{")
    damage(data_dir, "feature_maps", b"c", b"FMP1short")
    damage(data_dir, "crops", b"d", None)

    store = DetectionStore.open(data_dir)
    reports: list[tuple[str, str]] = []
    records = list(store.iterate_records(on_damaged=lambda name, reason: reports.append((name, reason))))
    assert [each.metadata.detection_id for each in records] == ["a", "e"]
    assert [name for name, _ in reports] == ["b", "c", "d"]
    assert "not JSON" in reports[0][1]
    assert "feature map's SHA-256" in reports[1][1]
    assert reports[2][1] == "there is no crop"
    assert [each.detection_id for each in store.iterate_metadata()] == ["a", "c", "d", "e"]
    with pytest.raises(DamagedRecord):
        store.get_metadata("b")
    with pytest.raises(DamagedRecord):
        store.get_feature_map("c")
    erased = await store.delete(["b", "c", "d"])
    assert [each.detection_id for each in erased] == ["c", "d"]
    assert store.count() == 2
    assert store.get_crop("b") is None
    store.close()


async def test_metadata_of_another_detection_are_damaged(data_dir: Path, make_record: MakeRecord) -> None:
    store = DetectionStore.open(data_dir)
    await store.put(make_record("a"))
    store.close()
    with lmdb.open(str(data_dir / "records"), max_dbs=3) as environment:
        database = environment.open_db(b"metadata")
        with environment.begin(write=True) as transaction:
            value = transaction.get(b"a", db=database)
            assert value is not None
            transaction.put(b"z", value, db=database)
    store = DetectionStore.open(data_dir)
    with pytest.raises(DamagedRecord, match="that of detection 'a'"):
        store.get_record("z")
    store.close()


def damage(data_dir: Path, name: str, key: bytes, value: bytes | None) -> None:
    with lmdb.open(str(data_dir / "records"), max_dbs=3, map_size=2**30) as environment:
        database = environment.open_db(name.encode())
        with environment.begin(write=True) as transaction:
            if value is None:
                transaction.delete(key, db=database)
            else:
                transaction.put(key, value, db=database)


async def test_four_writers_share_commits(store: DetectionStore, make_record: MakeRecord) -> None:
    async def write(client: int) -> None:
        for number in range(50):
            assert await store.put(make_record(f"w{client}-{number}")) is True

    await asyncio.gather(*(write(client) for client in range(4)))
    assert store.count() == 200
    for record in store.iterate_records():
        assert_same(record, make_record(record.metadata.detection_id))


INGEST = """
import asyncio, sys
from pathlib import Path
import numpy as np
from service.records import DetectionMetadata, DetectionRecord
from service.storage.detection_store import DetectionStore

async def client(store, name):
    for number in range(100_000):
        detection_id = f"{name}-{number:06}"
        metadata = DetectionMetadata(detection_id, "c", number, None, None, 1, 1, "image/png", "f", 0)
        feature_map = np.full((128, 24, 8), number % 1000, np.float16)
        await store.put(DetectionRecord(metadata, feature_map, detection_id.encode() * 300))
        sys.stdout.write(detection_id + "\\n")
        sys.stdout.flush()

async def main():
    store = DetectionStore.open(Path(sys.argv[1]))
    await asyncio.gather(*(client(store, name) for name in "abcd"))

asyncio.run(main())
"""


async def test_every_answered_write_survives_kill_9_whole(data_dir: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", INGEST, str(data_dir)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        answered = [process.stdout.readline().strip() for _ in range(200)]
        process.kill()
        answered += [line.strip() for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    assert process.returncode == -signal.SIGKILL
    damaged: list[str] = []
    store = DetectionStore.open(data_dir)
    found = {each.metadata.detection_id: each for each in store.iterate_records(lambda name, _: damaged.append(name))}
    assert damaged == []
    assert set(answered) <= found.keys()
    assert store.count() == len(found) <= len(answered) + 4  # each of the four clients may have had one on its way
    for name, record in found.items():
        assert record.crop == name.encode() * 300
        assert np.all(record.feature_map == int(name[2:]) % 1000)
    assert await store.put(record) is False
    store.close()

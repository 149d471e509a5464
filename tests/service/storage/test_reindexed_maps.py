"""Maps made anew lie beside their records, and go where those go."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy as np
import pytest

from service.records import DetectionRecord
from service.storage.record_databases import RecordDatabases
from service.storage.record_encoding import encode_record
from service.storage.reindexed_maps import ReindexedMap, crop_digest

MakeRecord = Callable[..., DetectionRecord]

NEW = "ab" * 32


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[lmdb.Environment]:
    with lmdb.open(str(tmp_path), max_dbs=8, map_size=2**24) as opened:
        yield opened


@pytest.fixture
def databases(environment: lmdb.Environment) -> RecordDatabases:
    return RecordDatabases(environment)


def map_for(detection_id: str, crop: bytes) -> ReindexedMap:
    values = np.random.default_rng(7).standard_normal((4, 3, 2)).astype(np.float16)
    return ReindexedMap(detection_id, NEW, crop_digest(crop), values)


def test_a_map_is_read_as_it_was_kept(
    environment: lmdb.Environment, databases: RecordDatabases, make_record: MakeRecord
) -> None:
    record = make_record("d1")
    reindexed = map_for("d1", record.crop)
    with environment.begin(write=True) as transaction:
        databases.put(transaction, encode_record(record))
        assert databases.stage(transaction, reindexed)
        found = databases.reindexed.get(transaction, "d1")
        assert found is not None
        assert (found.detection_id, found.fingerprint, found.crop_sha256) == ("d1", NEW, crop_digest(record.crop))
        assert np.array_equal(found.feature_map, reindexed.feature_map)
        assert databases.reindexed.get(transaction, "d2") is None


def test_a_map_of_a_crop_that_is_gone_or_replaced_is_not_kept(
    environment: lmdb.Environment, databases: RecordDatabases, make_record: MakeRecord
) -> None:
    with environment.begin(write=True) as transaction:
        databases.put(transaction, encode_record(make_record("d1")))
        assert not databases.stage(transaction, map_for("d1", b"the crop before"))
        assert not databases.stage(transaction, map_for("d2", b"a crop"))
        assert databases.reindexed.count(transaction) == 0


@pytest.mark.parametrize("change", ["replaced", "erased"])
def test_a_change_of_the_record_takes_the_map_along(
    environment: lmdb.Environment, databases: RecordDatabases, make_record: MakeRecord, change: str
) -> None:
    record = make_record("d1")
    with environment.begin(write=True) as transaction:
        databases.put(transaction, encode_record(record))
        databases.stage(transaction, map_for("d1", record.crop))
        if change == "replaced":
            databases.put(transaction, encode_record(replace(record, crop=b"another")))
        else:
            databases.delete(transaction, [b"d1"])
        assert databases.reindexed.count(transaction) == 0


def test_adopting_changes_the_map_and_its_model_alone(
    environment: lmdb.Environment, databases: RecordDatabases, make_record: MakeRecord
) -> None:
    record = make_record("d1")
    reindexed = map_for("d1", record.crop)
    with environment.begin(write=True) as transaction:
        databases.put(transaction, encode_record(record))
        databases.stage(transaction, reindexed)
        assert databases.adopt(transaction, reindexed)
        assert databases.reindexed.count(transaction) == 0
        assert not databases.adopt(transaction, map_for("d1", b"the crop before"))
    found = databases.reader.get_record("d1")
    assert found is not None
    assert found.metadata == replace(record.metadata, model_fingerprint=NEW)
    assert found.crop == record.crop
    assert np.array_equal(found.feature_map, reindexed.feature_map)


@pytest.mark.parametrize("offset", [0, 4, 40, 70, 110, -1])
def test_a_damaged_map_is_none(
    environment: lmdb.Environment, databases: RecordDatabases, make_record: MakeRecord, offset: int
) -> None:
    record = make_record("d1")
    with environment.begin(write=True) as transaction:
        databases.put(transaction, encode_record(record))
        databases.stage(transaction, map_for("d1", record.crop))
        value = bytearray(transaction.get(b"d1", db=databases.reindexed.database))
        value[offset] ^= 1
        transaction.put(b"d1", bytes(value), db=databases.reindexed.database)
        assert databases.reindexed.get(transaction, "d1") is None
        transaction.put(b"d1", b"short", db=databases.reindexed.database)
        assert databases.reindexed.get(transaction, "d1") is None


def test_dropping_in_parts(environment: lmdb.Environment, databases: RecordDatabases, make_record: MakeRecord) -> None:
    with environment.begin(write=True) as transaction:
        for number in range(5):
            record = make_record(f"d{number}")
            databases.put(transaction, encode_record(record))
            databases.stage(transaction, map_for(f"d{number}", record.crop))
        before = databases.used_bytes(transaction)
        dropped = [databases.reindexed.delete_some(transaction, 2) for _ in range(4)]
        assert dropped == [2, 2, 1, 0]
        assert databases.used_bytes(transaction) < before

"""What is read of LMDB's file, against what LMDB itself says of it, and that a damaged file is refused."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import lmdb
import numpy as np
import pytest

from service.storage.lmdb_pages import InconsistentPages, free_pages, newest_snapshot, survey_pages

NAMES = (b"first", b"second", b"third")


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[lmdb.Environment]:
    environment = lmdb.open(os.fspath(tmp_path), map_size=2**28, max_dbs=4)
    yield environment
    environment.close()


@pytest.fixture
def descriptor(environment: lmdb.Environment) -> Iterator[int]:
    descriptor = os.open(Path(environment.path()) / "data.mdb", os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def fill(environment: lmdb.Environment, seed: int = 0) -> None:
    drawn = random.Random(seed)
    databases = [environment.open_db(name) for name in NAMES]
    for _ in range(60):
        with environment.begin(write=True) as transaction:
            for _ in range(40):
                key = b"%04d" % drawn.randrange(2000)
                database = drawn.choice(databases)
                if drawn.random() < 0.3:
                    transaction.delete(key, db=database)
                else:
                    transaction.put(key, bytes(drawn.choice((3, 700, 2500, 4080, 4081, 60_000))), db=database)


def test_an_empty_file_has_no_pages_but_its_metas(environment: lmdb.Environment, descriptor: int) -> None:
    snapshot = newest_snapshot(descriptor)
    assert (snapshot.last_page, snapshot.page_bytes) == (1, environment.stat()["psize"])
    assert survey_pages(descriptor, snapshot).uses.tolist() == [1, 1]


@pytest.mark.parametrize("seed", range(3))
def test_pages_in_use_and_free_are_as_many_as_lmdb_says(
    environment: lmdb.Environment, descriptor: int, seed: int
) -> None:
    fill(environment, seed)
    snapshot = newest_snapshot(descriptor)
    assert snapshot.txnid == environment.info()["last_txnid"]
    assert snapshot.last_page == environment.info()["last_pgno"]
    survey = survey_pages(descriptor, snapshot)
    with environment.begin() as transaction:
        statistics = [transaction.stat(environment.open_db(name, txn=transaction)) for name in NAMES]
        statistics.append(transaction.stat())  # of the names
    counted = sum(each[kind] for each in statistics for kind in ("branch_pages", "leaf_pages", "overflow_pages"))
    free = np.concatenate([pages for _, pages in free_pages(descriptor, snapshot)])
    in_use = int(np.count_nonzero(survey.uses)) - 2
    # What LMDB counts for no database that it shows is the tree of the free pages itself, a few pages.
    assert 0 < in_use - counted < 40
    assert in_use + len(free) + 2 == snapshot.last_page + 1
    assert len(np.unique(free)) == len(free)
    assert not survey.uses[free].any()


def test_free_pages_come_oldest_first(environment: lmdb.Environment, descriptor: int) -> None:
    fill(environment)
    snapshot = newest_snapshot(descriptor)
    freed_by = [txnid for txnid, _ in free_pages(descriptor, snapshot)]
    assert freed_by == sorted(set(freed_by))
    assert 0 < freed_by[0] <= freed_by[-1] <= snapshot.txnid


def overwrite(descriptor: int, offset: int, value: bytes) -> None:
    assert os.pwrite(descriptor, value, offset) == len(value)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (0, b"\xff\0\0\0", "says that it is page"),
        (10, b"\x40", "has flags"),
        (12, b"\xff\xff", "has its bounds"),
        (16, b"\xfe\xff", "outside it"),
    ],
)
def test_a_damaged_page_is_refused(
    environment: lmdb.Environment, descriptor: int, offset: int, value: bytes, message: str
) -> None:
    fill(environment)
    snapshot = newest_snapshot(descriptor)
    overwrite(descriptor, snapshot.main_root * snapshot.page_bytes + offset, value)
    with pytest.raises(InconsistentPages, match=message):
        survey_pages(descriptor, snapshot)


def test_another_version_and_another_kind_of_file_are_refused(environment: lmdb.Environment, descriptor: int) -> None:
    overwrite(descriptor, 20, b"\x02")
    with pytest.raises(InconsistentPages, match="data format 1"):
        newest_snapshot(descriptor)
    overwrite(descriptor, 16, b"none")
    with pytest.raises(InconsistentPages, match="not LMDB's"):
        newest_snapshot(descriptor)


def test_a_lost_page_is_noticed(environment: lmdb.Environment, descriptor: int) -> None:
    fill(environment)
    snapshot = newest_snapshot(descriptor)
    data = os.pread(descriptor, snapshot.page_bytes, snapshot.free_root * snapshot.page_bytes)
    page = int.from_bytes(data[16:18], "little")  # the first record of free pages, or the first branch to it
    assert data[10] == 2, "the free pages of this history fit on one leaf"
    key_bytes = int.from_bytes(data[page + 6 : page + 8], "little")
    flags = int.from_bytes(data[page + 4 : page + 6], "little")
    assert flags == 0
    at = page + 8 + key_bytes
    count = int.from_bytes(data[at : at + 8], "little")
    overwrite(descriptor, snapshot.free_root * snapshot.page_bytes + at, (count - 1).to_bytes(8, "little"))
    with pytest.raises(InconsistentPages, match="1 pages are neither in use nor free"):
        survey_pages(descriptor, snapshot)


def test_a_database_with_sorted_duplicates_is_refused(environment: lmdb.Environment, descriptor: int) -> None:
    database = environment.open_db(b"duplicates", dupsort=True)
    with environment.begin(write=True) as transaction:
        transaction.put(b"key", b"value", db=database)
    with pytest.raises(InconsistentPages, match="sorted duplicates"):
        survey_pages(descriptor, newest_snapshot(descriptor))

"""Bytes of the data file itself change: what comes back is what was written, or is named as damaged."""

import asyncio
import json
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.records import DetectionMetadata, DetectionRecord
from service.storage.damaged_database import DamagedDatabase
from service.storage.detection_store import DetectionStore
from service.storage.record_encoding import encode_feature_map
from tests.service.storage.data_file import PAGE_BYTES, flip_in_file, place_in_file, write_in_file

NAMES = [f"d{number}" for number in range(8)]


def record(name: str) -> DetectionRecord:
    """A record whose crop and feature map take pages of their own, and are those of no other."""
    seed = int(name[1:])
    metadata = DetectionMetadata(name, f"c{seed % 2}", seed, None, None, 60, 160, "image/png", "f" * 64, seed)
    feature_map = np.random.default_rng(seed).standard_normal((16, 24, 8)).astype(np.float16)
    return DetectionRecord(metadata, feature_map, random.Random(seed).randbytes(5000))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with eight records; tests damage copies of it."""
    data_dir = tmp_path_factory.mktemp("sound") / "data"

    async def fill() -> None:
        store = DetectionStore.open(data_dir)
        for name in NAMES:
            await store.put(record(name))
        store.close()

    asyncio.run(fill())
    return data_dir


def assert_sound(found: DetectionRecord) -> None:
    expected = record(found.metadata.detection_id)
    assert (found.metadata, found.crop) == (expected.metadata, expected.crop)
    assert np.array_equal(found.feature_map, expected.feature_map)


def assert_only_that_one_is_lost(data_dir: Path, name: str) -> None:
    store = DetectionStore.open(data_dir)
    damaged: dict[str, str] = {}
    found = list(store.iterate_records(damaged.__setitem__))
    assert list(damaged) == [name]
    assert [each.metadata.detection_id for each in found] == [other for other in NAMES if other != name]
    for each in found:
        assert_sound(each)
    store.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(NAMES),
    part=st.sampled_from(["feature map", "crop"]),
    place=st.integers(0, 5999),
    change=st.integers(1, 255),
)
def test_every_byte_of_the_pages_of_a_value(sound: Path, name: str, part: str, place: int, change: int) -> None:
    value = record(name).crop if part == "crop" else encode_feature_map(record(name).feature_map)
    place %= len(value)
    with TemporaryDirectory() as folder:
        data_dir = Path(shutil.copytree(sound, Path(folder) / "data"))
        flip_in_file(data_dir, place_in_file(data_dir, value) + place, change)
        assert_only_that_one_is_lost(data_dir, name)


@pytest.mark.parametrize("place", range(-16, 0))
def test_every_byte_of_the_header_in_front_of_a_value(sound: Path, tmp_path: Path, place: int) -> None:
    """LMDB checks little of it while it reads: the record is whole all the same, or is named as damaged."""
    data_dir = Path(shutil.copytree(sound, tmp_path / "data"))
    flip_in_file(data_dir, place_in_file(data_dir, record("d3").crop) + place, 0xFF)
    found, damaged = read_in_a_process(data_dir)  # type: ignore[misc]
    assert set(found) | set(damaged) == set(NAMES)
    assert set(damaged) <= {"d3"}


@pytest.mark.parametrize("content", [bytes(PAGE_BYTES), random.Random(1).randbytes(PAGE_BYTES)], ids=["zeros", "noise"])
def test_a_whole_page_of_a_value(sound: Path, tmp_path: Path, content: bytes) -> None:
    data_dir = Path(shutil.copytree(sound, tmp_path / "data"))
    begin = place_in_file(data_dir, record("d3").crop) - 16
    write_in_file(data_dir, begin + PAGE_BYTES, content)
    assert_only_that_one_is_lost(data_dir, "d3")


READ_ALL = """
import json, sys
from pathlib import Path
from service.storage.detection_store import DetectionStore
from service.storage.damaged_database import DamagedDatabase
from service.storage.record_encoding import DamagedRecord
from tests.service.storage.test_damaged_file import NAMES, assert_sound

found, damaged = [], {}
try:
    store = DetectionStore.open(Path(sys.argv[1]))
    for record in store.iterate_records(damaged.__setitem__):
        assert_sound(record)
        found.append(record.metadata.detection_id)
    for name in NAMES:
        try:
            record = store.get_record(name)
        except DamagedRecord:
            continue
        if record is not None:
            assert_sound(record)
except DamagedDatabase as error:
    print(json.dumps(str(error)))
else:
    print(json.dumps([found, damaged]))
"""


def read_in_a_process(data_dir: Path) -> object:
    """In a process of its own, which a damaged tree of pages might end."""
    command = [sys.executable, "-c", READ_ALL, str(data_dir)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": ".:tests"})
    assert ended.returncode == 0, ended.stderr[-2000:]
    return json.loads(ended.stdout)


@pytest.mark.parametrize("content", [bytes(PAGE_BYTES), random.Random(2).randbytes(PAGE_BYTES)], ids=["zeros", "noise"])
def test_pages_of_the_tree(sound: Path, tmp_path: Path, content: bytes) -> None:
    """Each page that is not a value's: the answer is a message that names the way out, or all that is said is true."""
    data = (sound / "records" / "data.mdb").read_bytes()
    pages = [number for number in range(len(data) // PAGE_BYTES) if number < 2 or data[number * PAGE_BYTES + 10] & 3]
    messages: list[str] = []
    for number in pages[:2] + pages[-3:]:  # both beginnings of the file, and pages of the last commit
        data_dir = Path(shutil.copytree(sound, tmp_path / f"data{number}"))
        write_in_file(data_dir, number * PAGE_BYTES, content)
        answer = read_in_a_process(data_dir)
        if isinstance(answer, str):
            messages.append(answer)
    assert messages
    assert all("qaconv-service backup restore" in message for message in messages)


def test_what_is_no_database_at_all(sound: Path, tmp_path: Path) -> None:
    data_dir = Path(shutil.copytree(sound, tmp_path / "data"))
    (data_dir / "records" / "data.mdb").write_bytes(b"text" * 5000)
    with pytest.raises(DamagedDatabase, match=r"is damaged: .*MDB_INVALID.*backup restore"):
        DetectionStore.open(data_dir)


def test_metadata_are_bound_to_their_parts(sound: Path, tmp_path: Path) -> None:
    """Crop and feature map of another record, whole in themselves, are damage too."""
    data_dir = Path(shutil.copytree(sound, tmp_path / "data"))
    other = replace(record("d1"), crop=record("d2").crop)
    write_in_file(data_dir, place_in_file(data_dir, record("d1").crop), other.crop)
    assert_only_that_one_is_lost(data_dir, "d1")

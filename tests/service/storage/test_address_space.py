"""Memory maps in a small address space: the service starts, and its records are verified, backed up and restored."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from service.storage.address_space import fit_map

_LIMITED = """
import json, resource, sys
from pathlib import Path
from service.storage.address_space import AddressSpaceError, fit_map

def limit(size):
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))

limit(2**39)
default = fit_map(2**40, 0, "data.mdb")
limit(2**31)
small = fit_map(2**40, 0, "data.mdb")
try:
    fit_map(2**40, 2**32, "data.mdb")
    refusal = None
except AddressSpaceError as error:
    refusal = str(error)
print(json.dumps([default, small, refusal]))
"""

_STORE = """
import asyncio, resource, sys
from pathlib import Path
import numpy as np
from service.main import main
from service.records import DetectionMetadata, DetectionRecord
from service.storage.detection_store import DetectionStore
from service.storage.reindex_store import ReindexStore

directory = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (2**39, resource.RLIM_INFINITY))

def run(*arguments):
    try:
        main([str(each) for each in arguments])
    except SystemExit as end:
        assert not end.code, (arguments, end.code)

metadata = DetectionMetadata("a", "c", 1, None, None, 8, 16, "image/png", "f" * 64, 1)
store = DetectionStore.open(directory / "data")
assert 2**33 < store.capacity_bytes < 2**39, store.capacity_bytes
asyncio.run(store.put(DetectionRecord(metadata, np.ones((2, 3, 4), np.float16), b"a crop")))
store.close()
ReindexStore.open(directory / "data", 2**40).close()
run("verify", "--data-dir", directory / "data")
run("backup", "create", directory / "copy", "--data-dir", directory / "data")
run("backup", "verify", directory / "copy")
run("backup", "restore", directory / "copy", "--data-dir", directory / "restored")
store = DetectionStore.open(directory / "restored")
print(store.get_crop("a"))
"""


def run(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_where_there_is_room_a_map_is_as_large_as_asked_for() -> None:
    assert fit_map(2**40, 0, "data.mdb") == 2**40
    assert fit_map(12345, 0, "data.mdb") == 12345


def test_a_map_leaves_as_much_as_it_takes() -> None:
    done = run(_LIMITED)
    default, small, refusal = json.loads(done.stdout)
    assert 2**36 <= default <= 2**38
    assert 2**28 <= small <= 2**30
    assert refusal == (
        "data.mdb needs 4,294,967,296 bytes of address space, and this process has not as much: raise its limit "
        "(ulimit -v, RLIMIT_AS)"
    )


@pytest.mark.timeout(90)
def test_everything_that_maps_the_records_fits_into_half_a_terabyte(tmp_path: Path) -> None:
    done = run(_STORE, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "b'a crop'"
    assert "QACONV_DISK_CAPACITY_BYTES" in done.stderr

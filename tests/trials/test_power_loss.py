"""Loss of power at random moments: what was acknowledged is there and whole, what was not is there whole or not at all.

See `forgetful_disk` for what a disk may lose.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.trials import parameters
from tests.trials.forgetful_disk import ACKNOWLEDGEMENTS, ForgetfulDisk, compile_layer, find_compiler, run_python
from tests.trials.parameters import Figures
from tests.trials.promises import Promised
from tests.trials.store_images import check_image, lose_power

needs_a_compiler = pytest.mark.skipif(find_compiler() is None, reason="no C compiler (cc or gcc) on the PATH")
# More operations than any trial waits for: that program is killed in the end.
_ENDLESS = str(10**9)
_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_layer(tmp_path_factory.mktemp("layer"))


@needs_a_compiler
def test_some_losses_of_power_lose_nothing(layer: Path, tmp_path: Path) -> None:
    used_seed = parameters.seed()
    disk = run_workload(layer, tmp_path, used_seed, operations=120)
    lose_power(disk, tmp_path, 40, used_seed, Figures("power loss"))


@pytest.mark.soak
@pytest.mark.timeout(0)
@needs_a_compiler
def test_thousands_of_losses_of_power_lose_nothing(layer: Path, tmp_path: Path) -> None:
    used_seed = parameters.seed()
    figures = Figures("power loss")
    images = parameters.parameter("IMAGES", 5000)
    for first in range(0, images, 250):
        directory = tmp_path / f"journal-{first}"
        disk = run_workload(layer, directory, used_seed, operations=480)
        figures.add("operations", 480)
        lose_power(disk, directory, min(250, images - first), used_seed, figures)
        shutil.rmtree(directory)
        used_seed += 1
    figures.add("lost, doubled or half", 0)
    figures.say()


def test_the_directory_copied_at_some_moments_has_everything(tmp_path: Path) -> None:
    copy_while_it_is_written(tmp_path, 5, Figures("copies"))


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_the_directory_copied_at_hundreds_of_moments_has_everything(tmp_path: Path) -> None:
    figures = Figures("copies")
    copy_while_it_is_written(tmp_path, parameters.parameter("COPIES", 300), figures)
    figures.add("lost, doubled or half", 0)
    figures.say()


@needs_a_compiler
def test_the_trial_notices_a_store_that_does_not_synchronise(layer: Path, tmp_path: Path) -> None:
    disk = run_workload(layer, tmp_path, 1, 120, "without-sync")
    assert disk.length > 0
    # In a process of its own: LMDB follows what it finds, and where that leads beyond the file the system ends it.
    look = (
        "import sys; from pathlib import Path; from tests.trials import store_images as images; "
        "path = Path(sys.argv[1]); disk = images.ForgetfulDisk(path / 'journal'); "
        "images.lose_power(disk, path, 40, 1, images.Figures(''))"
    )
    looked = subprocess.run(
        [sys.executable, "-c", look, str(tmp_path)], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    is_noticed = "\nAssertionError: " in looked.stderr or "\nlmdb." in looked.stderr
    assert is_noticed or looked.returncode == -signal.SIGBUS, looked


@needs_a_compiler
@pytest.mark.parametrize("kind", ["write", "write, fsync", "fsync, directory"])
def test_the_disk_forgets_what_was_not_synchronised_and_nothing_else(layer: Path, tmp_path: Path, kind: str) -> None:
    outcomes = images_of_a_file(layer, tmp_path, kind)
    whole, lost = b"1" * 10_000, None
    if kind == "fsync, directory":
        assert outcomes == {whole}
    elif kind == "write, fsync":
        assert outcomes == {whole, lost}
    else:
        assert {whole, lost, bytes(10_000), b""} <= outcomes
        assert any(each and b"1" in each and b"\0" in each for each in outcomes)


@needs_a_compiler
def test_a_synchronous_descriptor_makes_its_own_writes_durable_and_no_others(layer: Path, tmp_path: Path) -> None:
    outcomes = images_of_a_file(layer, tmp_path, "synchronous")
    assert {each[4096:4196] for each in outcomes if each} == {b"2" * 100}
    assert {each[:100] for each in outcomes if each} == {b"1" * 100, bytes(100)}


@needs_a_compiler
def test_the_disk_refuses_what_it_does_not_understand(layer: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="shared writable map"):
        images_of_a_file(layer, tmp_path, "map")


_PROGRAMS = {
    "write": "os.write(file, b'1' * 10_000)",
    "write, fsync": "os.write(file, b'1' * 10_000); os.fsync(file)",
    "fsync, directory": "os.write(file, b'1' * 10_000); os.fsync(file); os.fsync(os.open(sys.argv[1], os.O_RDONLY))",
    "synchronous": """
os.pwrite(file, b"1" * 4096, 0)
os.pwrite(os.open(sys.argv[1] + "/file", os.O_WRONLY | os.O_DSYNC), b"2" * 100, 4096)
os.fsync(os.open(sys.argv[1], os.O_RDONLY))
""",
    "map": "os.ftruncate(file, 4096); mmap.mmap(file, 4096)",
}


def images_of_a_file(layer: Path, tmp_path: Path, kind: str) -> set[bytes | None]:
    """What is left of a file by 200 losses of power at the end of a program."""
    written = tmp_path / "written"
    written.mkdir()
    opening = "import mmap, os, sys; file = os.open(sys.argv[1] + '/file', os.O_RDWR | os.O_CREAT)\n"
    run_python(layer, written, tmp_path / "journal", ["-c", opening + _PROGRAMS[kind], str(written)])
    disk = ForgetfulDisk(tmp_path / "journal")
    disk.replay(disk.length)
    outcomes = set()
    chance = random.Random(1)
    for number in range(200):
        image = tmp_path / f"image-{number}"
        disk.lose_power(chance, image)
        file = image / "file"
        outcomes.add(file.read_bytes() if file.exists() else None)
    return outcomes


def copy_while_it_is_written(tmp_path: Path, copies: int, figures: Figures) -> None:
    """Copies the directory of a program that writes to a store, which stands still for as long as copying takes."""
    used_seed = parameters.seed()
    chance = random.Random(used_seed)
    written = tmp_path / "written"
    written.mkdir()
    command = [sys.executable, "-m", "tests.trials.store_workload", str(written), str(used_seed), _ENDLESS]
    with subprocess.Popen(command, cwd=_ROOT) as process:
        while not (written / ACKNOWLEDGEMENTS).exists():
            time.sleep(0.01)
        for number in range(copies):
            time.sleep(chance.uniform(0, 0.2))
            assert process.poll() is None
            copy = tmp_path / f"copy-{number}"
            os.kill(process.pid, signal.SIGSTOP)
            try:
                shutil.copytree(written, copy)
            finally:
                os.kill(process.pid, signal.SIGCONT)
            promised = Promised.by((copy / ACKNOWLEDGEMENTS).read_text().splitlines())
            check_image(copy / "data", promised)
            shutil.rmtree(copy)
            figures.add("copies")
            figures.add("acknowledged records found again", sum(version > 0 for version in promised.sure.values()))
            figures.say(at_most_every_seconds=20)
        process.kill()


def run_workload(layer: Path, directory: Path, used_seed: int, operations: int, *options: str) -> ForgetfulDisk:
    written = directory / "written"
    written.mkdir(parents=True)
    arguments = ["-m", "tests.trials.store_workload", str(written), str(used_seed), str(operations), *options]
    run_python(layer, written, directory / "journal", arguments)
    return ForgetfulDisk(directory / "journal")

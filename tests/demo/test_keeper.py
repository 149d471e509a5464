"""The keeper, as real processes: whatever happens to the demo, what it started ends."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

# Waits for a signal, having said its process's number in a file.
SLEEPER = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)"
# Starts a keeper as the demo does, and waits.
OWNER = """
import subprocess, sys, time
command = [sys.executable, "-m", "demo.keeper", *sys.argv[1:]]
keeper = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
time.sleep(600)
"""


def sleeper(tmp_path: Path) -> tuple[Path, list[str]]:
    """A folder to remove, and the keeper's arguments for a command that says its number in `tmp_path`."""
    folder = tmp_path / "records"
    folder.mkdir()
    (folder / "data").touch()
    return folder, [str(folder), sys.executable, "-c", SLEEPER, str(tmp_path / "number")]


def running_command(tmp_path: Path) -> psutil.Process:
    number = tmp_path / "number"
    wait_until(lambda: number.exists() and number.read_text() != "")
    return psutil.Process(int(number.read_text()))


def wait_until(claim: object, seconds: float = 60.0) -> None:
    assert callable(claim)
    give_up = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.05)


def start_keeper(arguments: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "demo.keeper", *arguments], stdin=subprocess.PIPE)


def test_closing_its_input_ends_the_command_and_removes_the_folder(tmp_path: Path) -> None:
    folder, arguments = sleeper(tmp_path)
    with start_keeper(arguments) as keeper:
        command = running_command(tmp_path)
        assert keeper.stdin is not None
        keeper.stdin.close()
        assert keeper.wait(60) == -signal.SIGTERM % 256
        assert not command.is_running()
        assert not folder.exists()


def test_killing_its_owner_ends_the_command_and_removes_the_folder(tmp_path: Path) -> None:
    folder, arguments = sleeper(tmp_path)
    with subprocess.Popen([sys.executable, "-c", OWNER, *arguments]) as owner:
        command = running_command(tmp_path)
        owner.kill()
    wait_until(lambda: not command.is_running())
    wait_until(lambda: not folder.exists())


def test_terminating_it_ends_the_command(tmp_path: Path) -> None:
    _, arguments = sleeper(tmp_path)
    with start_keeper(arguments) as keeper:
        command = running_command(tmp_path)
        keeper.terminate()
        keeper.wait(60)
        assert not command.is_running()


@pytest.mark.parametrize("status", [0, 3])
def test_a_command_that_ends_by_itself_leaves_its_status_and_its_folder(tmp_path: Path, status: int) -> None:
    folder, _ = sleeper(tmp_path)
    with start_keeper([str(folder), sys.executable, "-c", f"raise SystemExit({status})"]) as keeper:
        assert keeper.wait(60) == status
    # The folder holds the log, which the demo is still to show.
    assert folder.exists()

"""The demo as a user runs it and ends it: whatever happens to it, its service and its records go with it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


def start_demo() -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "demo"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_until_up(demo: "subprocess.Popen[str]") -> None:
    assert demo.stdout is not None
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if "The service is up at http://127.0.0.1:" in line:
            return
    pytest.fail(f"the demo ended:\n{''.join(lines)}")


def processes_of(folder: Path) -> list[psutil.Process]:
    """Those whose command line names a folder: the keeper, the service and its Redis."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in argument for argument in process.info["cmdline"] or ())
    ]


@pytest.mark.parametrize(("ending", "status"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_no_way_to_end_it_leaves_anything_behind(demo_environment: Path, ending: signal.Signals, status: int) -> None:
    with start_demo() as demo:
        wait_until_up(demo)
        assert len(processes_of(demo_environment)) >= 2
        demo.send_signal(ending)
        output = demo.stdout.read() if demo.stdout is not None else ""
        assert demo.wait(60) == status, output
    give_up = time.monotonic() + 60
    while processes_of(demo_environment) or any(demo_environment.iterdir()):
        assert time.monotonic() < give_up, "it left something behind"
        time.sleep(0.1)


def test_help_starts_nothing() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "demo", "--help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert "--once" in result.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("demo_environment")
def test_the_demo_with_the_shipped_checkpoint_finds_the_right_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QACONV_CHECKPOINT")
    ended = subprocess.run(
        [sys.executable, "-m", "demo", "--once"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=280
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("with temporal lifting") > 25
    assert (ROOT / "demo-output" / "correspondences.png").read_bytes().startswith(b"\x89PNG")

"""`serve` where it cannot: one line that says why, and no traceback."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.command_line.command_error import USAGE
from service.main import main
from tests.service.running_service import RunningService


def serve(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.main", "serve", *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def refusal(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def test_a_port_that_is_taken(running_service: RunningService, tmp_path: Path) -> None:
    port = str(urlsplit(running_service.url).port)
    line = refusal(serve("--port", port, "--data-dir", str(tmp_path)))
    assert line.startswith(f"qaconv-service: the service did not start: cannot listen on 127.0.0.1:{port}")
    assert "choose another" in line


def test_a_checkpoint_that_is_none(tmp_path: Path) -> None:
    checkpoint = tmp_path / "weights.safetensors"
    checkpoint.write_text("text")
    line = refusal(serve("--port", "0", "--data-dir", str(tmp_path / "data"), "--checkpoint", str(checkpoint)))
    assert f"the service did not start: {checkpoint} is not a safetensors file" in line


def test_a_place_for_exact_maps_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--exact-maps", "attic"])
    assert caught.value.code == USAGE
    line = capsys.readouterr().err
    assert "--exact-maps (variable QACONV_EXACT_MAPS) is 'attic'" in line
    assert "'auto', 'device' or 'disk'" in line

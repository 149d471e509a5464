"""`get`, `list`, `compare` and `erase` against a running service; and what every command does."""

import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from service.main import main
from tests.service.drawn_crops import crop_file
from tests.service.made_certificates import write_certificate
from tests.service.running_service import RunningService


@pytest.fixture
def stored(running_service: RunningService) -> RunningService:
    """Detections k-1 to k-3 of the camera `kept`, the last two of person `p`."""
    for number in (1, 2, 3):
        data = {"camera_id": "kept", "timestamp": str(1_790_000_000 + number)} | (
            {"person_id": "p-kept"} if number > 1 else {}
        )
        path = f"{running_service.url}/v1/detections/k-{number}"
        assert httpx.put(path, data=data, files={"image": crop_file(number)}).is_success
    return running_service


class Command:
    """Runs the program; what it printed last stands in `out` and `err`."""

    def __init__(self, service: RunningService, capsys: pytest.CaptureFixture[str]) -> None:
        self._url, self._capsys = service.url, capsys
        self.out = self.err = ""

    def run(self, *arguments: object) -> int:
        with pytest.raises(SystemExit) as caught:
            main([*map(str, arguments), "--url", self._url])
        self.out, self.err = self._capsys.readouterr()
        code = caught.value.code
        return code if isinstance(code, int) else 0


@pytest.fixture
def command(stored: RunningService, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(stored, capsys)


def test_get(command: Command, tmp_path: Path) -> None:
    crop, feature_map = tmp_path / "crop.jpg", tmp_path / "map.npy"
    assert command.run("get", "k-2", "--image", crop, "--feature-map", feature_map) == 0
    assert "camera_id:          kept" in command.out
    assert "image:              40×80 pixels" in command.out
    assert "track_id" not in command.out
    assert crop.read_bytes() == crop_file(2)
    assert np.load(feature_map).dtype == np.float16
    assert command.run("get", "k-2", "--json") == 0
    assert json.loads(command.out)["person_id"] == "p-kept"
    assert command.run("get", "no/body") == 1
    assert "is not an ID" in command.err
    assert command.run("get", "k-2", "--image", tmp_path / "no" / "folder") == 1
    assert "cannot be written" in command.err


def test_list(command: Command) -> None:
    assert command.run("list", "--camera-id", "kept") == 0
    assert [line.split()[0] for line in command.out.splitlines() if "kept" in line] == ["k-1", "k-2", "k-3"]
    assert command.run("list", "--person-id", "p-kept", "--time-from", "1790000003", "--json") == 0
    assert [json.loads(line)["detection_id"] for line in command.out.splitlines()] == ["k-3"]
    assert command.run("list", "--camera-id", "kept", "--limit", "2", "--json") == 0
    assert (len(command.out.splitlines()), "there are more than 2" in command.err) == (2, True)
    assert command.run("list", "--time-from", "noon") == 1
    assert "is not a time" in command.err


def test_list_takes_several_pages(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.command_line.list_command._PAGE", 1)
    assert command.run("list", "--camera-id", "kept", "--json") == 0
    assert len(command.out.splitlines()) == 3
    assert command.err == ""


def test_compare(command: Command, tmp_path: Path) -> None:
    crops = [tmp_path / f"{number}.jpg" for number in (1, 2)]
    for number, path in enumerate(crops):
        path.write_bytes(crop_file(number))
    picture = tmp_path / "picture.png"
    assert command.run("compare", *crops, "--picture", picture) == 0
    assert "appearance score 0." in command.out
    assert Image.open(BytesIO(picture.read_bytes())).format == "PNG"
    assert command.run("compare", *crops, "--json") == 0
    assert set(json.loads(command.out)) == {"logit", "appearance_score", "correspondences"}
    assert command.run("compare", crops[0], tmp_path / "gone.jpg") == 2
    assert "gone.jpg cannot be read" in command.err


def test_erase(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.command_line.erase_command._SECONDS_BETWEEN_LOOKS", 0.05)
    assert command.run("erase") == 2
    assert command.run("erase", "k-1", "--camera-id", "kept") == 2
    assert "either a DETECTION_ID or a filter" in command.err
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    assert command.run("erase", "k-1") == 1
    assert "nothing was erased" in command.err
    assert command.run("erase", "k-1", "--yes") == 0
    assert "k-1 erased" in command.out
    assert command.run("erase", "k-1", "--yes") == 1
    assert "there is no detection 'k-1'" in command.err
    assert command.run("erase", "--person-id", "p-kept", "--yes", "--wait") == 0
    assert "2 detections erased" in command.out
    assert ": complete" in command.out
    assert command.run("get", "k-3") == 1


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert not caught.value.code
    assert capsys.readouterr().out.startswith("qaconv-service 0.")


@pytest.mark.parametrize("program", ["service.main", "training.main"])
def test_help_on_a_terminal_that_knows_ascii_alone(program: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for arguments in (["--help"], ["search" if program == "service.main" else "train", "--help"]):
        done = subprocess.run(
            [sys.executable, "-m", program, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def test_a_search_on_a_terminal_that_knows_ascii_alone(stored: RunningService, tmp_path: Path) -> None:
    (tmp_path / "query.jpg").write_bytes(crop_file(1))
    arguments = ["search", tmp_path / "query.jpg", "--correspondences", "3", "--url", stored.url]
    done = subprocess.run(
        [sys.executable, "-m", "service.main", *arguments],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "k-1" in done.stdout


def test_https_against_a_service_without_a_certificate(
    stored: RunningService, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["list", "--url", stored.url.replace("http://", "https://")])
    assert "does not speak TLS" in capsys.readouterr().err


def test_http_against_a_service_with_a_certificate(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_certificate(certificate, key, "qaconv")
    service = RunningService.start(tmp_path / "data", tiny_checkpoint, tls_certificate=certificate, tls_key=key)
    try:
        with pytest.raises(SystemExit):
            main(["list", "--url", service.url.replace("https://", "http://")])
        assert "if it has a certificate, its URL begins with https://" in capsys.readouterr().err
    finally:
        service.kill()

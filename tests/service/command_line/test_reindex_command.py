"""The two commands as an operator types them: what they print, write and refuse."""

import asyncio
import json
import stat
from pathlib import Path

import pytest

from model.checkpoint import load_checkpoint
from service.command_line import long_work
from service.components import open_components
from service.main import main
from service.recover_gallery import recover_gallery
from service.settings import Settings
from tests.service.reindexing import look_at, record_with_image
from tests.service.stored_crops import draw_record


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(each) for each in arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def filled(settings: Settings) -> Path:
    """A data directory of twelve detections, six persons in two cameras each, and one whose crop is no image."""

    async def fill() -> None:
        async with open_components(settings) as components:
            await recover_gallery(components)
            for number in range(12):
                labels = {"person_id": f"p{number // 2}", "camera_id": f"c{number % 2}"}
                await components.writer.put(record_with_image(components, f"d{number:02}", number, **labels))
            await components.writer.put(draw_record(components, "poison"))

    asyncio.run(fill())
    return settings.data_dir


def test_reindex_report_and_abandon(
    filled: Path, tiny_checkpoint: Path, newer_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--data-dir", filled, "--device", "cpu")
    assert run("reindex", "--checkpoint", newer_checkpoint, *where) == 0
    output = capsys.readouterr()
    assert output.out.startswith("12 feature maps made anew in ")
    assert "0 were there; 1 cannot be made" in output.out
    assert f"start the service again with --checkpoint {newer_checkpoint}" in output.out
    assert "poison: the 6 bytes are not an image" in output.err
    assert "reindexing: 13 of 13\n" in output.err

    written = tmp_path / "report.json"
    flags = ("--old-checkpoint", tiny_checkpoint, "--checkpoint", newer_checkpoint, "--queries", 5, "--output", written)
    assert run("reindex-report", *flags, *where) == 0
    output = capsys.readouterr()
    lines = output.out.splitlines()
    assert lines[0] == "5 queries against 12 of 13 detections"
    assert lines[1].startswith("same best match: ")
    assert "accuracy, 5 queries with a person in another camera:" in lines
    assert "scoring: 12 of 12\n" in output.err
    content = json.loads(written.read_text())
    assert content["new_fingerprint"] == load_checkpoint(newer_checkpoint).fingerprint
    assert (content["detections"], content["compared"], len(content["changes"]["queries"])) == (13, 12, 5)
    assert 0 <= content["changes"]["new_metrics"]["mean_average_precision"] <= 1
    assert stat.S_IMODE(written.stat().st_mode) == 0o600

    assert run("reindex", "--abandon", "--data-dir", filled) == 0
    assert capsys.readouterr().out == "12 feature maps made anew were dropped; the gallery is as it was\n"
    assert look_at(filled).staged == ()
    assert run("reindex-report", *flags, *where) == 1
    assert "qaconv-service: there is no report: there is no reindex for model" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [[], ["--checkpoint", "new.safetensors", "--abandon"]])
def test_neither_or_both_of_checkpoint_and_abandon(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("reindex", *flags) == 2
    assert "either --checkpoint FILE, the new model, or --abandon" in capsys.readouterr().err


def test_a_directory_without_records(
    tmp_path: Path, newer_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("reindex", "--checkpoint", newer_checkpoint, "--data-dir", tmp_path) == 1
    assert f"there are no records in {tmp_path}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_no_room_is_found_before_the_work(
    filled: Path, settings: Settings, newer_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def restart_with_less() -> None:
        async with open_components(settings.model_copy(update={"disk_capacity_bytes": 2**20})) as components:
            for number in range(12, 120):
                await components.store.put(record_with_image(components, f"d{number:03}", number))

    asyncio.run(restart_with_less())
    assert run("reindex", "--checkpoint", newer_checkpoint, "--data-dir", filled, "--device", "cpu") == 1
    error = capsys.readouterr().err
    assert "121 maps made anew take up to" in error
    assert "QACONV_DISK_CAPACITY_BYTES" in error
    assert look_at(filled).staged == ()


def test_progress_elsewhere_than_on_a_terminal_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = iter([0.0, 1.0, 4.9, 5.0, 5.1, 5.2])
    monkeypatch.setattr(long_work.time, "monotonic", lambda: next(now))
    with long_work.show_progress() as advance:
        for done in range(6):
            advance("working", done, 5)
    assert capsys.readouterr().err == "working: 0 of 5\nworking: 3 of 5\nworking: 5 of 5\n"

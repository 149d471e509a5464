"""`qaconv-service audit verify` and `show`, on records of services that ran."""

import asyncio
import json
from pathlib import Path

import pytest

from service.command_line.audit_lines import describe_entry
from service.main import main
from service.settings import Settings
from tests.service.running_application import run_application
from tests.service.storage.audit_writing import read_record


@pytest.fixture
def data_dir_with_record(settings: Settings) -> Path:
    """Started, two searches, one of which failed, an erasure, stopped."""
    asyncio.run(serve_and_stop(settings))
    return settings.data_dir


async def serve_and_stop(settings: Settings) -> None:
    async with run_application(settings) as running:
        await running.wait_until_ready()
        await running.put("a")
        await running.put("b", seed=2)
        await running.search(detection_id="a")
        await running.search(detection_id="nobody")
        await running.client.delete("/v1/detections/b")


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["audit", *map(str, arguments)])
    code = caught.value.code
    return code if isinstance(code, int) else 0


def test_a_record_as_it_was_written(data_dir_with_record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", "--data-dir", data_dir_with_record) == 0
    entries = read_record(data_dir_with_record)
    first, last = entries[0], entries[-1]
    assert capsys.readouterr().out.splitlines() == [
        f"6 entries in 1 segments, from {first['time']} to {last['time']}",
        f"head 6:{last['hash']}",
    ]
    assert run("verify", "--data-dir", data_dir_with_record, "--head", f"3:{entries[2]['hash']}") == 0


def test_a_record_that_was_changed(data_dir_with_record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = f"6:{read_record(data_dir_with_record)[-1]['hash']}"
    (segment,) = (data_dir_with_record / "audit").glob("*.jsonl")
    content = segment.read_bytes()
    segment.write_bytes(content.replace(b'"nobody"', b'"nobodz"'))
    assert run("verify", "--data-dir", data_dir_with_record) == 1
    told = capsys.readouterr()
    assert f"  {segment.name}, line 3, entry 3: the entry was changed" in told.err
    segment.write_bytes(b"".join(content.splitlines(keepends=True)[:4]))
    assert run("verify", "--data-dir", data_dir_with_record) == 0
    assert run("verify", "--data-dir", data_dir_with_record, "--head", head) == 1
    assert "the record ends with entry 4; its end was cut off" in capsys.readouterr().err


def test_what_is_asked_for_wrongly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", "--data-dir", tmp_path) == 2
    assert "there is no audit record in" in capsys.readouterr().err
    assert run("verify", "--data-dir", tmp_path, "--head", "12") == 2
    assert "--head '12' is not SEQUENCE:HASH" in capsys.readouterr().err
    assert run("show", "--data-dir", tmp_path, "--from", "yesterday") == 2
    assert "--from: 'yesterday' is not a time" in capsys.readouterr().err


def show(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[int]:
    assert run("show", "--json", *arguments) == 0
    return [json.loads(line)["sequence"] for line in capsys.readouterr().out.splitlines()]


def test_choosing_entries(data_dir_with_record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = ("--data-dir", data_dir_with_record)
    entries = read_record(data_dir_with_record)
    assert show(capsys, *at) == [1, 2, 3, 4, 5, 6]
    assert show(capsys, *at, "--event", "search") == [2, 3]
    assert show(capsys, *at, "--event", "started", "--event", "stopped") == [1, 6]
    assert show(capsys, *at, "--from", entries[2]["time"], "--to", entries[4]["time"]) == [3, 4]
    assert show(capsys, *at, "--detection-id", "b") == [2, 4, 5]
    assert show(capsys, *at, "--key-id", "k1") == []


def test_lines_for_people(data_dir_with_record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "--data-dir", data_dir_with_record) == 0
    started, found, failed, requested, erased, stopped = capsys.readouterr().out.splitlines()
    entries = read_record(data_dir_with_record)
    assert started.startswith(f"1  {entries[0]['time']}  started  –  version ")
    score = entries[1]["answer"]["matches"][0]["score"]
    assert found == (
        f"2  {entries[1]['time']}  search  127.0.0.1  a at c on 2026-09-21T14:13:20.000000Z among 1 of 2: b {score:.4f}"
    )
    assert failed.endswith("  nobody: nothing returned (detection-not-found)")
    assert requested.endswith("  erase_requested  127.0.0.1  detection_id b")
    assert erased.endswith("  erased  127.0.0.1  1 erased: b")
    assert stopped.endswith("  stopped  –  detections 1")


def test_whose_camera_and_time_were_taken_is_told_where_the_record_says_it(data_dir_with_record: Path) -> None:
    found = read_record(data_dir_with_record)[1]
    plain = describe_entry(found)
    del found["answer"]["stand_in"]  # as entries were before
    assert describe_entry(found) == plain
    found["answer"]["stand_in"] = "d7"
    assert " on 2026-09-21T14:13:20.000000Z (those of d7) among 1 of 2: " in describe_entry(found)

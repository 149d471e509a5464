import json
from pathlib import Path

import pytest

from service.records import DetectionFilter
from service.storage.backup.erasure_entries import UnreadableErasures, read_erasures

# 2026-11-20T10:00:00Z, by `date -u -d ... +%s`.
TEN_US = 1_795_168_800_000_000


def write(audit_dir: Path, name: str, *entries: object, end: str = "\n") -> None:
    audit_dir.mkdir(exist_ok=True)
    (audit_dir / name).write_text("\n".join(json.dumps(entry) for entry in entries) + end)


def erased(time: object, *detection_ids: str, event: str = "erased") -> dict[str, object]:
    return {"sequence": 1, "time": time, "event": event, "detection_ids": detection_ids, "hash": "0"}


def test_the_last_erasure_of_each_detection(tmp_path: Path) -> None:
    write(
        tmp_path,
        "2026-11-20.jsonl",
        {"event": "search", "time": "2026-11-20T09:00:00.000000Z", "detection_ids": ["searched"]},
        erased("2026-11-20T10:00:00.000000Z", "a", "b"),
        erased("2026-11-20T10:00:00.000001Z", "c", event="retention"),
        {"event": "erased", "time": "no matter"},
    )
    write(tmp_path, "2026-11-21.jsonl", erased("2026-11-20T11:00:01+01:00", "b"), erased(1_795_168_802.5, "d"))
    (tmp_path / "notes.txt").write_text("not a segment")
    assert read_erasures(tmp_path, 0).times_us == {
        "a": TEN_US,
        "b": TEN_US + 10**6,
        "c": TEN_US + 1,
        "d": TEN_US + 2_500_000,
    }


def test_a_last_line_without_an_end_was_never_on_record(tmp_path: Path) -> None:
    write(tmp_path, "1.jsonl", erased("2026-11-20T10:00:00Z", "a"), erased("2026-11-20T10:00:00Z", "b"), end="")
    assert read_erasures(tmp_path, 0).times_us == {"a": TEN_US}


@pytest.mark.parametrize(
    "line",
    ["no JSON", "[]", "{}", '{"event":"erased","detection_ids":["a"]}']
    + [json.dumps(erased(time, "a")) for time in ("yesterday", "2026-11-20T10:00:00", None)],
)
def test_a_line_of_which_it_cannot_be_said_what_was_erased_is_refused(tmp_path: Path, line: str) -> None:
    write(tmp_path, "1.jsonl", erased("2026-11-20T10:00:00Z", "a"))
    with (tmp_path / "1.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UnreadableErasures, match=r"1\.jsonl, line 2 is no entry"):
        read_erasures(tmp_path, 0)


def test_no_record_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(UnreadableErasures, match="is not a folder"):
        read_erasures(tmp_path / "audit", 0)


def requested(sequence: int, time: str, **meant: str) -> dict[str, object]:
    nothing = dict.fromkeys(("detection_id", "camera_id", "track_id", "person_id", "time_from", "time_to"))
    return {"sequence": sequence, "time": time, "event": "erase_requested", "meant": {**nothing, **meant}}


def test_what_an_erasure_that_did_not_end_meant_may_be_erased(tmp_path: Path) -> None:
    """Cut off by a crash, or by an error; not where the backup was made after that, and shows what it did."""
    write(
        tmp_path,
        "1.jsonl",
        requested(1, "2026-11-20T09:00:00Z", detection_id="before-the-backup"),
        {"sequence": 2, "time": "2026-11-20T09:30:00Z", "event": "started"},
        requested(3, "2026-11-20T10:00:00Z", detection_id="ended"),
        requested(4, "2026-11-20T10:00:01Z", camera_id="c1", time_to="2026-11-20T10:00:00Z"),
        {**erased("2026-11-20T10:00:02Z", "ended"), "requested": 3, "is_complete": True},
        {**erased("2026-11-20T10:00:03Z", "part"), "requested": 4, "is_complete": False},
        requested(7, "2026-11-20T10:00:04Z", detection_id="crashed"),
    )
    found = read_erasures(tmp_path, TEN_US)
    assert found.times_us == {"ended": TEN_US + 2 * 10**6, "part": TEN_US + 3 * 10**6, "crashed": TEN_US + 4 * 10**6}
    assert found.unfinished == [DetectionFilter(camera_id="c1", time_to_us=TEN_US, created_before_us=TEN_US + 10**6)]

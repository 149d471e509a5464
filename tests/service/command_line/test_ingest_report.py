import json
from pathlib import Path

from service.command_line.batch_request import Outcome
from service.command_line.detection_file import DetectionFile
from service.command_line.ingest_report import problem_lines, summary_json, summary_line


def outcome(name: str, status: int | None, *lines: str) -> Outcome:
    return Outcome(DetectionFile(f"{name}.jpg", Path(f"{name}.jpg"), name, "c1", "0"), status, lines)


OUTCOMES = [
    outcome("a", 201),
    outcome("b", 200),
    outcome("c", 400, "The image cannot be read (400): truncated", "  request r1"),
    outcome("d", None, "cannot be read: No such file or directory"),
]


def test_the_summary_counts() -> None:
    assert summary_line(OUTCOMES, 1.25) == "2 of 4 detections ingested in 1.2 s: 1 new, 1 replaced; 2 failed"
    assert summary_line(OUTCOMES[:1], 0.5) == "1 of 1 detections ingested in 0.5 s: 1 new"


def test_problems_name_their_files() -> None:
    assert problem_lines(OUTCOMES) == [
        "c.jpg: The image cannot be read (400): truncated",
        "  request r1",
        "d.jpg: cannot be read: No such file or directory",
    ]


def test_equal_problems_are_told_once() -> None:
    same = [outcome(f"f{number}", 507, "The gallery is full (507)") for number in range(9)]
    other = outcome("z", 507, "another")
    assert problem_lines([*same[:4], other, *same[4:]]) == [
        "f0.jpg, f1.jpg, f2.jpg and 6 more: The gallery is full (507)",
        "z.jpg: another",
    ]


def test_the_summary_as_json() -> None:
    summary = json.loads(summary_json(OUTCOMES, 1.23456))
    failed = summary.pop("failed")
    assert summary == {"total": 4, "new": 1, "replaced": 1, "seconds": 1.235}
    assert [(each["file"], each["detection_id"], each["status"]) for each in failed] == [
        ("c.jpg", "c", 400),
        ("d.jpg", "d", None),
    ]
    assert "truncated" in failed[0]["problem"]

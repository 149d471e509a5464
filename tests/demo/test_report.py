from datetime import UTC, datetime
from io import StringIO

from rich.console import Console

from demo.queries import AskedQuery, Match
from demo.report import print_query, print_summary
from training.datasets.labelled_crop import LabelledCrop


def match(person: str, score: float, temporal_score: float | None) -> Match:
    return Match(
        rank=1,
        detection_id="d",
        camera_id="camera-02",
        timestamp=datetime(2026, 11, 20, 8, 5, 7, tzinfo=UTC),
        person_id=person,
        score=score,
        appearance_score=0.81,
        temporal_score=temporal_score,
    )


CROP = LabelledCrop("person-0001", "camera-01", datetime(2026, 11, 20, 8, 4, tzinfo=UTC).timestamp(), "t", lambda: b"")
ASKED = AskedQuery(CROP, [match("person-0009", 0.81, None)], [match("person-0001", 0.729, 0.8)])


def console() -> tuple[Console, StringIO]:
    stream = StringIO()
    return Console(file=stream, width=80, highlight=False), stream


def test_a_query_is_told_with_both_rankings_within_80_columns() -> None:
    printer, stream = console()
    print_query(printer, 3, ASKED)
    text = stream.getvalue()
    assert "Query 3: person-0001, seen by camera-01 at 08:04:00" in text
    without, lifted = (line.split() for line in text.splitlines() if "camera-02" in line)
    assert without == ["1", "camera-02", "08:05:07", "0.8100", "0.8100", "–", "person-0009", "wrong"]
    assert lifted == ["1", "camera-02", "08:05:07", "0.7290", "0.8100", "0.8000", "person-0001", "right"]
    assert max(len(line) for line in text.splitlines()) <= 80


def test_the_summary_counts_both_ways() -> None:
    printer, stream = console()
    print_summary(printer, [ASKED, ASKED], 48)
    assert "one query in 48" in stream.getvalue()
    assert "without temporal lifting  0 of 2 queries (0%)" in stream.getvalue()
    assert "with temporal lifting     2 of 2 queries (100%)" in stream.getvalue()

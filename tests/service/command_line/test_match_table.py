from io import StringIO

from rich.console import Console
from rich.table import Table

from service.command_line.match_table import correspondence_table, match_table, search_line
from service.command_line.service_answers import (
    Cell,
    Correspondence,
    GalleryCount,
    Lifting,
    Match,
    SearchAnswer,
    Timing,
)

MATCH = Match(
    rank=1,
    detection_id="d7",
    camera_id="c2",
    timestamp="2026-11-20T10:00:00.000000Z",
    track_id=None,
    person_id="p1",
    score=0.71,
    appearance_score=0.83,
    temporal_score=0.75,
    correspondences=(
        Correspondence(
            direction="query_to_gallery",
            similarity=0.93,
            query=Cell(row=3, column=2, x=18.8, y=23.3),
            gallery=Cell(row=4, column=2, x=19.0, y=29.1),
        ),
    ),
)


def printed(table: Table) -> str:
    console = Console(file=StringIO(), width=160, highlight=False)
    console.print(table)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def answer(lifting: Lifting, *matches: Match) -> SearchAnswer:
    counts = GalleryCount(size=20, candidates=18)
    return SearchAnswer(gallery=counts, temporal_lifting=lifting, matches=matches, timing_ms=Timing(total=65.4))


def cells(text: str, marker: str) -> list[str]:
    line = next(line for line in text.splitlines() if marker in line)
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_a_match_with_lifting() -> None:
    result = answer(Lifting(applied=True, reason=None, nearby=("a", "b")), MATCH)
    text = printed(match_table(result))
    assert cells(text, "rank") == ["rank", "detection", "camera", "time", "person", "score", "appearance", "temporal"]
    assert cells(text, "d7") == ["1", "d7", "c2", "2026-11-20T10:00:00Z", "p1", "0.7100", "0.8300", "0.7500"]
    assert search_line(result) == "18 of 20 detections searched, temporal lifting with 2 nearby, 65 ms"


def test_what_stood_in_and_what_was_re_ranked_is_told() -> None:
    reranked = MATCH.model_copy(update={"reranked_score": 0.85})
    result = answer(Lifting(applied=True, reason=None, stand_in="d9", nearby=("a",)), reranked)
    text = printed(match_table(result))
    assert cells(text, "rank")[-4:] == ["score", "appearance", "re-ranked", "temporal"]
    assert cells(text, "d7")[-4:] == ["0.7100", "0.8300", "0.8500", "0.7500"]
    assert "temporal lifting with 1 nearby, where and when d9 was seen, 65 ms" in search_line(result)


def test_labels_that_only_some_have() -> None:
    labelled = MATCH.model_copy(
        update={"detection_id": "d8", "track_id": "t1", "timestamp": "2026-11-20T10:00:00.250000Z"}
    )
    text = printed(match_table(answer(Lifting(applied=True, reason=None), MATCH, labelled)))
    assert cells(text, "d7")[3:6] == ["2026-11-20T10:00:00Z", "p1", "–"]
    assert cells(text, "d8")[3:6] == ["2026-11-20T10:00:00.25Z", "p1", "t1"]


def test_without_lifting_the_reason_is_told_and_the_temporal_score_is_none() -> None:
    result = answer(
        Lifting(applied=False, reason="no_camera_or_time"), MATCH.model_copy(update={"temporal_score": None})
    )
    assert cells(printed(match_table(result)), "d7")[-2:] == ["0.8300", "–"]
    assert "no temporal lifting (no camera or time)" in search_line(result)


def test_correspondences() -> None:
    text = printed(correspondence_table("Correspondences with d7", MATCH.correspondences))
    assert "Correspondences with d7" in text
    assert cells(text, "0.930") == ["0.930", "18.8, 23.3", "19.0, 29.1", "query to gallery"]

"""A ranked answer as tables for a terminal."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from service.command_line.service_answers import Cell, Correspondence, Match, SearchAnswer

_NOT_GIVEN = "–"


def match_table(answer: SearchAnswer) -> Table:
    """One row for each match, best first; without columns of labels, or of re-ranked scores, that no match has."""
    has_person = any(match.person_id for match in answer.matches)
    has_track = any(match.track_id for match in answer.matches)
    is_reranked = any(match.reranked_score is not None for match in answer.matches)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("rank", justify="right", no_wrap=True)
    for name in ("detection", "camera", "time", *["person"] * has_person, *["track"] * has_track):
        table.add_column(name, overflow="fold")
    for name in ("score", "appearance", *["re-ranked"] * is_reranked, "temporal"):
        table.add_column(name, justify="right", no_wrap=True)
    for match in answer.matches:
        labels = [match.person_id or _NOT_GIVEN] * has_person + [match.track_id or _NOT_GIVEN] * has_track
        scores = [match.score, match.appearance_score, *[match.reranked_score] * is_reranked, match.temporal_score]
        row = [str(match.rank), match.detection_id, match.camera_id, _time(match), *labels, *map(_score, scores)]
        table.add_row(*row)
    return table


def search_line(answer: SearchAnswer) -> str:
    """What was searched and how, in one line."""
    lifting = answer.temporal_lifting
    if lifting.applied:
        stand_in = f", where and when {lifting.stand_in} was seen" if lifting.stand_in else ""
        lifted = f"temporal lifting with {len(lifting.nearby)} nearby{stand_in}"
    else:
        lifted = f"no temporal lifting ({(lifting.reason or 'no reason given').replace('_', ' ')})"
    searched = f"{answer.gallery.candidates} of {answer.gallery.size} detections searched"
    return f"{searched}, {lifted}, {answer.timing_ms.total:.0f} ms"


def correspondence_table(title: str, correspondences: Sequence[Correspondence]) -> Table:
    """Where a match agrees with the query, most similar first."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("similarity", justify="right")
    for name in ("query x, y", "match x, y"):
        table.add_column(name, justify="right")
    table.add_column("found from")
    for correspondence in correspondences:
        table.add_row(
            f"{correspondence.similarity:.3f}",
            _position(correspondence.query),
            _position(correspondence.gallery),
            correspondence.direction.replace("_", " "),
        )
    return table


def _time(match: Match) -> str:
    """Without a fraction of zeros."""
    seconds, _, fraction = match.timestamp.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction.rstrip('0')}".rstrip(".") + "Z"


def _score(score: float | None) -> str:
    return _NOT_GIVEN if score is None else f"{score:.4f}"


def _position(cell: Cell) -> str:
    return f"{cell.x:.1f}, {cell.y:.1f}"

"""A ranked answer as tables for a terminal."""

from rich import box
from rich.table import Table

from service.command_line.service_answers import Cell, Match, SearchAnswer

_NOT_GIVEN = "–"


def match_table(answer: SearchAnswer) -> Table:
    """One row for each match, best first; without the columns of labels that no match has."""
    has_person = any(match.person_id for match in answer.matches)
    has_track = any(match.track_id for match in answer.matches)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("rank", justify="right", no_wrap=True)
    for name in ("detection", "camera", "time", *["person"] * has_person, *["track"] * has_track):
        table.add_column(name, overflow="fold")
    for name in ("score", "appearance", "temporal"):
        table.add_column(name, justify="right", no_wrap=True)
    for match in answer.matches:
        labels = [match.person_id or _NOT_GIVEN] * has_person + [match.track_id or _NOT_GIVEN] * has_track
        table.add_row(str(match.rank), match.detection_id, match.camera_id, _time(match), *labels, *_scores(match))
    return table


def search_line(answer: SearchAnswer) -> str:
    """What was searched and how, in one line."""
    lifting = answer.temporal_lifting
    if lifting.applied:
        lifted = f"temporal lifting with {len(lifting.nearby)} nearby"
    else:
        lifted = f"no temporal lifting ({(lifting.reason or 'no reason given').replace('_', ' ')})"
    searched = f"{answer.gallery.candidates} of {answer.gallery.size} detections searched"
    return f"{searched}, {lifted}, {answer.timing_ms.total:.0f} ms"


def correspondence_table(match: Match) -> Table:
    """Where a match agrees with the query, most similar first."""
    table = Table(
        title=f"Correspondences with {match.detection_id}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("similarity", justify="right")
    for name in ("query x, y", "match x, y"):
        table.add_column(name, justify="right")
    table.add_column("found from")
    for correspondence in match.correspondences:
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


def _scores(match: Match) -> tuple[str, str, str]:
    temporal = _NOT_GIVEN if match.temporal_score is None else f"{match.temporal_score:.4f}"
    return f"{match.score:.4f}", f"{match.appearance_score:.4f}", temporal


def _position(cell: Cell) -> str:
    return f"{cell.x:.1f}, {cell.y:.1f}"

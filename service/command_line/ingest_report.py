"""What `ingest` says at its end, for a person and for a program."""

import json
from collections.abc import Sequence
from http import HTTPStatus

from service.command_line.batch_request import Outcome

# Of files with the same problem.
_NAMED = 3


def summary_line(outcomes: Sequence[Outcome], seconds: float) -> str:
    """One sentence: how many are new, replaced and failed."""
    new, replaced, failed = _counts(outcomes)
    sentence = f"{new + replaced} of {len(outcomes)} detections ingested in {seconds:.1f} s: {new} new"
    sentence += f", {replaced} replaced" if replaced else ""
    return sentence + (f"; {failed} failed" if failed else "")


def problem_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """The files that failed, with their problems; those with the same problem together."""
    names: dict[tuple[str, ...], list[str]] = {}
    for outcome in outcomes:
        if not outcome.is_stored:
            names.setdefault(outcome.problem_lines, []).append(outcome.detection.name)
    return [line for problem, failed in names.items() for line in (f"{_list(failed)}: {problem[0]}", *problem[1:])]


def summary_json(outcomes: Sequence[Outcome], seconds: float) -> str:
    """`total`, `new`, `replaced`, `seconds` and `failed`: a list of `file`, `detection_id`, `status`, `problem`."""
    new, replaced, _ = _counts(outcomes)
    failed = [
        {
            "file": outcome.detection.name,
            "detection_id": outcome.detection.detection_id,
            "status": outcome.status,
            "problem": "\n".join(outcome.problem_lines),
        }
        for outcome in outcomes
        if not outcome.is_stored
    ]
    summary = {
        "total": len(outcomes),
        "new": new,
        "replaced": replaced,
        "seconds": round(seconds, 3),
        "failed": failed,
    }
    return json.dumps(summary, indent=2)


def _list(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _counts(outcomes: Sequence[Outcome]) -> tuple[int, int, int]:
    new = sum(outcome.status == HTTPStatus.CREATED for outcome in outcomes)
    replaced = sum(outcome.status == HTTPStatus.OK for outcome in outcomes)
    return new, replaced, len(outcomes) - new - replaced

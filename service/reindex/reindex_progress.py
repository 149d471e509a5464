"""How far a reindex is, and what it did."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReindexProgress:
    """How far a pass over the gallery is. The first pass is the whole gallery, the others what was added meanwhile."""

    pass_number: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ReindexSummary:
    """What a reindex did.

    Attributes:
        made: maps made anew by this run.
        skipped: detections that had one before, or whose map is of this model anyway.
        failed: why there is no map, by detection ID.
        remaining: detections added meanwhile, faster than maps are made; the switch makes theirs.
        seconds: how long it took.
    """

    made: int
    skipped: int
    failed: Mapping[str, str]
    remaining: int
    seconds: float

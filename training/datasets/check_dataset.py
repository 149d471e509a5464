"""What the parts of a dataset must keep to before figures from it mean anything."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.datasets.dataset import DISTRACTOR, JUNK, Dataset
from training.datasets.labelled_crop import LabelledCrop

_MAX_PERSONS_TOLD = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PublishedSize:
    """How many crops a dataset's authors published."""

    training: int
    queries: int
    gallery: int


def check_persons(dataset: Dataset, source: Path) -> None:
    """Refuse a dataset that was mixed up.

    Raises:
        ValueError: there are queries and no gallery or the reverse, nobody's crops are trained on or searched for, or
            people are trained on who are evaluated.
    """
    if bool(dataset.queries) != bool(dataset.gallery):
        raise ValueError(
            f"{source} has {len(dataset.queries)} queries and {len(dataset.gallery)} gallery crops: "
            "expected both, or neither"
        )
    for part, crops in (("training", dataset.training), ("queries", dataset.queries)):
        _check_that_somebody_is_seen(part, crops)
    trained = {crop.person_id for crop in dataset.training}
    both = trained & {crop.person_id for crop in (*dataset.queries, *dataset.gallery)}
    if both:
        raise ValueError(
            f"{source} has {len(both)} persons both in training and in the queries or gallery "
            f"({_list_some(both)}): expected different people, or the figures would be too good"
        )


def warn_of_other_size(dataset: Dataset, published: PublishedSize, source: Path) -> None:
    """Log a warning where crops were lost or added since publication: figures cannot be compared then."""
    found = PublishedSize(len(dataset.training), len(dataset.queries), len(dataset.gallery))
    if found != published:
        _log.warning(
            "%s as published has %d training crops, %d queries and %d gallery crops, but %s has %d, %d and %d: "
            "figures cannot be compared with published ones",
            dataset.name, published.training, published.queries, published.gallery,
            source, found.training, found.queries, found.gallery,
        )  # fmt: skip


def _check_that_somebody_is_seen(part: str, crops: Iterable[LabelledCrop]) -> None:
    for crop in crops:
        if crop.person_id in (DISTRACTOR, JUNK):
            raise ValueError(f"{crop.source} is {crop.person_id} among the {part}: expected it in the gallery alone")


def _list_some(names: set[str]) -> str:
    return ", ".join(sorted(names)[:_MAX_PERSONS_TOLD]) + (", ..." if len(names) > _MAX_PERSONS_TOLD else "")

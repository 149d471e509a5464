"""A dataset as its authors split it: what is trained on, what is searched for, and what is searched."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.datasets.labelled_crop import LabelledCrop

# Persons of gallery crops that show none of the people who are searched for. A distractor is a wrong match; junk, such
# as a box around half of somebody, counts neither as right nor as wrong (Zheng et al., ICCV 2015, Section 3.1).
DISTRACTOR = "distractor"
JUNK = "junk"


@dataclass(frozen=True, slots=True)
class Dataset:
    """The crops of a benchmark.

    Attributes:
        name: how tables call it.
        training: of people who are in neither of the others.
        queries: each is searched for among the gallery.
        gallery: what is searched. Besides people, it may hold crops of the person `DISTRACTOR` or `JUNK`.
        has_times: whether timestamps mean something, without which lifting cannot be measured.
    """

    name: str
    training: Sequence[LabelledCrop]
    queries: Sequence[LabelledCrop]
    gallery: Sequence[LabelledCrop]
    has_times: bool

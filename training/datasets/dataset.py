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
        training: what is trained on. In a benchmark, people who are in neither of the others; in one's own crops that
            are not split, all of them.
        queries: each is searched for among the gallery. None where a dataset is for training alone.
        gallery: what is searched. Besides people, it may hold crops of the person `DISTRACTOR` or `JUNK`, and the
            queries themselves: the rule that crops of the query's person in the query's camera do not count leaves
            them out of their own search.
        has_times: whether timestamps mean something, without which lifting cannot be measured. Times of all cameras are
            of one clock, whose zero may be any.
    """

    name: str
    training: Sequence[LabelledCrop]
    queries: Sequence[LabelledCrop]
    gallery: Sequence[LabelledCrop]
    has_times: bool

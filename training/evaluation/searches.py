"""Who is searched for among which crops: the single-query protocol on whatever crops there are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from model.retrieval_metrics import JUNK_PERSON, CropLabels
from training.datasets.dataset import DISTRACTOR, JUNK, Dataset
from training.datasets.labelled_crop import LabelledCrop


@dataclass(frozen=True, slots=True)
class Searches:
    """The queries and the gallery of an evaluation, as numbers of its n crops.

    Attributes:
        crops: all n.
        queries: int64 [q].
        gallery: int64 [g]; may hold the queries, which are then no candidates of their own searches.
        labels: of all n; people by number, and `JUNK_PERSON`.
        seconds: float64 [n], when each was seen; None where times mean nothing.
    """

    crops: Sequence[LabelledCrop]
    queries: Tensor
    gallery: Tensor
    labels: CropLabels
    seconds: Tensor | None

    @property
    def query_labels(self) -> CropLabels:
        """Labels of the queries [q]."""
        return CropLabels(self.labels.persons[self.queries], self.labels.cameras[self.queries])

    @property
    def gallery_labels(self) -> CropLabels:
        """Labels of the gallery [g]."""
        return CropLabels(self.labels.persons[self.gallery], self.labels.cameras[self.gallery])

    def all_cameras(self) -> Tensor:
        """Candidates bool [q, g] where the whole gallery is searched, the protocol of the benchmarks."""
        return self.queries[:, None] != self.gallery[None, :]

    def other_cameras(self) -> Tensor:
        """Candidates bool [q, g] where only what other cameras saw is searched."""
        return self.query_labels.cameras[:, None] != self.gallery_labels.cameras[None, :]


def searches_of(crops: Sequence[LabelledCrop] | Dataset) -> Searches:
    """The queries of a benchmark among its gallery; of other crops, the first of every track among all.

    Raises:
        ValueError: there are no queries, or all crops are of one camera or one person.
    """
    if isinstance(crops, Dataset):
        searches = _searches_of_benchmark(crops)
    else:
        everything = torch.arange(len(crops))
        searches = Searches(crops, _first_of_each_track(crops), everything, _labels(crops), _seconds(crops))
    _check(searches)
    return searches


def shuffle_times(searches: Searches, seed: int) -> Searches:
    """The control of lifting: the times of each camera's crops, dealt out anew among them.

    Cameras stay as busy as they were, at the same hours; what is gone is who was there together.
    """
    assert searches.seconds is not None
    random = torch.Generator().manual_seed(seed)
    shuffled = searches.seconds.clone()
    for camera in torch.unique(searches.labels.cameras):
        members = torch.nonzero(searches.labels.cameras == camera).flatten()
        shuffled[members] = searches.seconds[members[torch.randperm(len(members), generator=random)]]
    return replace(searches, seconds=shuffled)


def _searches_of_benchmark(dataset: Dataset) -> Searches:
    # A query that stands in the gallery too is one crop, compared once.
    numbers: dict[LabelledCrop, int] = {}
    for crop in (*dataset.queries, *dataset.gallery):
        numbers.setdefault(crop, len(numbers))
    crops = list(numbers)
    return Searches(
        crops,
        queries=torch.tensor([numbers[crop] for crop in dataset.queries], dtype=torch.int64),
        gallery=torch.tensor([numbers[crop] for crop in dataset.gallery], dtype=torch.int64),
        labels=_labels(crops),
        seconds=_seconds(crops) if dataset.has_times else None,
    )


def _first_of_each_track(crops: Sequence[LabelledCrop]) -> Tensor:
    first: dict[str, int] = {}
    for number, crop in enumerate(crops):
        if crop.person_id not in (JUNK, DISTRACTOR):
            first.setdefault(crop.track_id, number)
    return torch.tensor(list(first.values()), dtype=torch.int64)


def _labels(crops: Sequence[LabelledCrop]) -> CropLabels:
    persons = _number([crop.person_id for crop in crops])
    is_junk = torch.tensor([crop.person_id == JUNK for crop in crops], dtype=torch.bool)
    return CropLabels(persons.masked_fill(is_junk, JUNK_PERSON), _number([crop.camera_id for crop in crops]))


def _seconds(crops: Sequence[LabelledCrop]) -> Tensor:
    return torch.tensor([crop.timestamp_seconds for crop in crops], dtype=torch.float64)


def _number(names: Sequence[str]) -> Tensor:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([numbers[name] for name in names], dtype=torch.int64)


def _check(searches: Searches) -> None:
    crops = searches.crops
    cameras, persons = {crop.camera_id for crop in crops}, {crop.person_id for crop in crops}
    for what, names in (("camera", cameras), ("person", persons)):
        if len(names) == 1:
            raise ValueError(f"all {len(crops)} crops are of one {what} {sorted(names)}; give crops of two or more")
    if len(searches.queries) == 0 or len(searches.gallery) == 0:
        raise ValueError(
            f"there are {len(searches.queries)} queries and {len(searches.gallery)} crops to search: give some of both"
        )

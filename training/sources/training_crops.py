"""What training takes crops from."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

import torch
from torch import Tensor

from training.datasets.crop_pixels import CropPixels


def check_crop_size(height: int, width: int) -> None:
    """Raises ValueError for a size that crops cannot be kept at."""
    if height < 1 or width < 1:
        raise ValueError(f"crop_height is {height}, crop_width {width}: give at least 1 of both")


class TrainingCrops(Protocol):
    """Numbered crops; what a number shows may change between steps, but not who.

    Attributes:
        persons: int64 [n], from 0 without gaps: crops of one number show one person. Who that is may change, if all
            crops of the number change at once.
        num_people, num_crops: that were there so far.
    """

    persons: Tensor

    @property
    def num_people(self) -> int: ...  # noqa: D102 (above)
    @property
    def num_crops(self) -> int: ...  # noqa: D102 (above)

    def read(self, chosen: Tensor) -> Tensor:
        """Crops int64 [m] as uint8 [m, 3, height, width]."""
        ...

    def describe(self, chosen: Tensor) -> list[str]:
        """What messages call the crops int64 [m]."""
        ...

    def fingerprint(self) -> str:
        """What is trained on, in words that differ where the recipe is the same and the crops are not."""
        ...

    def go_to_step(self, step: int) -> None:
        """Make the crops those of a step, counted over the whole run from 0; steps only go up."""
        ...


class FixedCrops:
    """Crops that were read or drawn once."""

    def __init__(self, crops: CropPixels, sources: Sequence[str]) -> None:
        assert len(crops) == len(sources)
        self.persons = torch.from_numpy(crops.persons)
        self._pixels = torch.from_numpy(crops.pixels)
        self._sources = sources
        self._fingerprint: str | None = None

    @property
    def num_people(self) -> int:
        """See `TrainingCrops`."""
        return int(self.persons.max()) + 1

    @property
    def num_crops(self) -> int:
        """See `TrainingCrops`."""
        return len(self.persons)

    def read(self, chosen: Tensor) -> Tensor:
        """See `TrainingCrops`."""
        return self._pixels[chosen]

    def describe(self, chosen: Tensor) -> list[str]:
        """See `TrainingCrops`."""
        return [self._sources[number] for number in chosen.tolist()]

    def fingerprint(self) -> str:
        """Numbers, and the beginning of a hash of who is on which crop and of the pixels."""
        if self._fingerprint is None:
            digest = sha256(self.persons.numpy().data)
            digest.update(self._pixels.numpy().data)
            self._fingerprint = f"{self.num_crops} crops of {self.num_people} people ({digest.hexdigest()[:12]})"
        return self._fingerprint

    def go_to_step(self, step: int) -> None:
        """Nothing: these crops stay."""

"""The training crops of a benchmark, or of a dataset of one's own."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from training.datasets.benchmarks import open_dataset
from training.datasets.crop_pixels import read_crop_pixels
from training.sources.drawn_networks import OnProgress
from training.sources.training_crops import FixedCrops, check_crop_size


@dataclass(frozen=True, slots=True)
class NamedDataset:
    """A dataset as `open_dataset` reads it.

    Attributes:
        dataset: its name, one of `DATASETS`.
        folder: where it is.
        crop_height, crop_width: size at which crops are kept in memory.
    """

    dataset: str
    folder: str
    crop_height: int = 256
    crop_width: int = 128

    def __post_init__(self) -> None:
        check_crop_size(self.crop_height, self.crop_width)


def read_named_dataset(source: NamedDataset, num_processes: int, on_progress: OnProgress) -> FixedCrops:
    """Read the crops of the dataset's training split.

    Raises:
        OSError: a crop's file cannot be read.
        ValueError: the folder is not what it should be, a crop is not an image, or there is nobody to train on.
    """
    crops = open_dataset(source.dataset, Path(source.folder)).training
    if not crops:
        raise ValueError(f"{source.folder} has no training crops: {source.dataset} cannot be trained on from there")
    pixels = read_crop_pixels(
        crops, source.crop_height, source.crop_width, num_processes, partial(on_progress, "reading crops")
    )
    return FixedCrops(pixels, [crop.source for crop in crops])

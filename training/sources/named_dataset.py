"""The training crops of a benchmark, or of a dataset of one's own."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from model.config import ModelConfig
from training.datasets.benchmarks import open_dataset
from training.datasets.crop_pixels import read_crop_pixels
from training.ranges import check_range
from training.sources.drawn_networks import OnProgress
from training.sources.training_crops import FixedCrops


@dataclass(frozen=True, slots=True)
class NamedDataset:
    """A dataset as `open_dataset` reads it.

    Attributes:
        dataset: its name, one of `DATASETS`.
        folder: where it is.
        crop_height, crop_width: size at which crops are kept in memory, in every joined process; 0 for the model's
            input size. RandPerson's 132,145 take 19.5 GB at 384×128, and 13 GB at 256×128.
    """

    dataset: str
    folder: str
    crop_height: int = 0
    crop_width: int = 0

    def __post_init__(self) -> None:
        check_range(self, "crop_height", "crop_width", least=0)


def read_named_dataset(
    source: NamedDataset, config: ModelConfig, num_processes: int, on_progress: OnProgress
) -> FixedCrops:
    """Read the crops of the dataset's training split, for a model of this config.

    Raises:
        OSError: a crop's file cannot be read.
        ValueError: the folder is not what it should be, a crop is not an image, or there is nobody to train on.
    """
    crops = open_dataset(source.dataset, Path(source.folder)).training
    if not crops:
        raise ValueError(f"{source.folder} has no training crops: {source.dataset} cannot be trained on from there")
    height, width = source.crop_height or config.input_height, source.crop_width or config.input_width
    pixels = read_crop_pixels(crops, height, width, num_processes, partial(on_progress, "reading crops"))
    return FixedCrops(pixels, [crop.source for crop in crops])

"""The datasets that commands know by name."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from training.datasets.crop_dataset import read_crop_dataset
from training.datasets.cuhk03_np import Boxes, read_cuhk03_np
from training.datasets.dataset import Dataset
from training.datasets.dukemtmc_reid import read_dukemtmc_reid
from training.datasets.market1501 import read_market1501
from training.datasets.msmt17 import read_msmt17
from training.datasets.randperson import read_randperson

DATASETS: Mapping[str, Callable[[Path], Dataset]] = MappingProxyType(
    {
        "market1501": read_market1501,
        "dukemtmc_reid": read_dukemtmc_reid,
        "msmt17": read_msmt17,
        "cuhk03_np_detected": partial(read_cuhk03_np, boxes=Boxes.DETECTED),
        "cuhk03_np_labelled": partial(read_cuhk03_np, boxes=Boxes.LABELLED),
        "randperson": read_randperson,
        "csv": read_crop_dataset,
    }
)


def open_dataset(name: str, folder: Path) -> Dataset:
    """Read a dataset of `DATASETS` from where the user has it.

    Raises:
        OSError: the folder is not there, or cannot be read.
        ValueError: there is no dataset of that name, or the folder is not what it should be.
    """
    if name not in DATASETS:
        raise ValueError(f"{name!r} is no dataset: give one of {', '.join(DATASETS)}")
    return DATASETS[name](folder)

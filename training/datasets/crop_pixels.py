"""Reads the crops of a dataset into one array, in several processes."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.datasets.labelled_crop import LabelledCrop

_CROPS_PER_TASK = 64


@dataclass(frozen=True, slots=True)
class CropPixels:
    """Crops of one size with their labels.

    Attributes:
        pixels: uint8 [n, 3, height, width].
        persons: int64 [n], numbers from 0 in the order of first appearance.
        cameras: int64 [n], likewise.
        seconds: float64 [n], Unix seconds.
    """

    pixels: npt.NDArray[np.uint8]
    persons: npt.NDArray[np.int64]
    cameras: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def num_persons(self) -> int:
        """How many different people there are."""
        return int(self.persons.max()) + 1


def read_crop_pixels(
    crops: Sequence[LabelledCrop],
    height: int,
    width: int,
    num_processes: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> CropPixels:
    """Read and resize (bilinear) all crops; the memory that this takes is that of the result and a few MB.

    Args:
        crops: person and camera IDs are numbered by their text. Those of several datasets can be read in one go, for
            joining arrays afterwards would take their memory twice: give each dataset's IDs a prefix of their own.
        height: of the result.
        width: of the result.
        num_processes: 1 reads in this process.
        on_progress: called with the number of crops read so far and of all.
    """
    pixels = np.empty((len(crops), 3, height, width), np.uint8)
    done = 0
    for chunk in _read_chunks(crops, height, width, num_processes):
        pixels[done : done + len(chunk)] = chunk
        done += len(chunk)
        if on_progress is not None:
            on_progress(done, len(crops))
    return CropPixels(
        pixels=pixels,
        persons=_number([crop.person_id for crop in crops]),
        cameras=_number([crop.camera_id for crop in crops]),
        seconds=np.asarray([crop.timestamp_seconds for crop in crops], np.float64),
    )


def _read_chunks(
    crops: Sequence[LabelledCrop], height: int, width: int, num_processes: int
) -> Iterator[npt.NDArray[np.uint8]]:
    tasks = [crops[start : start + _CROPS_PER_TASK] for start in range(0, len(crops), _CROPS_PER_TASK)]
    read = partial(_read_chunk, height=height, width=width)
    if num_processes == 1:
        yield from map(read, tasks)
        return
    # Not fork: the parent may already run PyTorch's threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_processes, mp_context=context) as pool:
        yield from pool.map(read, tasks)


def _read_chunk(crops: Sequence[LabelledCrop], height: int, width: int) -> npt.NDArray[np.uint8]:
    images = [crop.read_image().resize((width, height), Image.Resampling.BILINEAR) for crop in crops]
    return np.stack([np.asarray(image, np.uint8).transpose(2, 0, 1) for image in images])


def _number(names: Sequence[str]) -> npt.NDArray[np.int64]:
    numbers: dict[str, int] = {}
    return np.asarray([numbers.setdefault(name, len(numbers)) for name in names], np.int64)

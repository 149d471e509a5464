"""In which form the gallery lies in the device's memory, and how many detections fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from model.config import ModelConfig
from model.gallery_scoring.precision import Precision, ScoringPrecision, choose_precision
from service.gallery.capacity import CapacityError, choose_capacity, has_room
from service.gallery.coarse_maps import BYTES_BESIDE_VALUES

GalleryPrecision = Literal["auto", "int8"] | Precision
ExactMapsPlace = Literal["device", "disk"]

# Exact scores of a gallery in int8 are those of the very numbers that a record holds, summed in float32: what bounds
# the error of int8 holds for these.
_EXACT = ScoringPrecision(torch.float16, torch.float32)

# By where exact maps are: what would let more detections fit.
_OR_SMALLER: Mapping[ExactMapsPlace | None, str] = {
    None: ", or QACONV_PRECISION=int8 and QACONV_EXACT_MAPS=disk",
    "device": ", or QACONV_EXACT_MAPS=disk",
    "disk": "",
}


@dataclass(frozen=True, slots=True)
class GalleryFormat:
    """What is kept of each detection.

    Attributes:
        exact: of the maps that exact scores are computed from.
        exact_maps: where these are, beside int8 maps that the first pass reads; None where all scores are exact.
        detection_bytes: of the device's memory.
        capacity: detections.
    """

    exact: ScoringPrecision
    exact_maps: ExactMapsPlace | None
    detection_bytes: int
    capacity: int

    @property
    def is_coarse(self) -> bool:
        """Whether the first pass is one over int8 maps."""
        return self.exact_maps is not None

    @property
    def or_smaller(self) -> str:
        """What else than a lower capacity would let more detections fit, as it ends a sentence."""
        return _OR_SMALLER[self.exact_maps]


def choose_format(
    precision: GalleryPrecision,
    exact_maps: Literal["auto"] | ExactMapsPlace,
    capacity: int | None,
    config: ModelConfig,
    device: torch.device,
    *,
    multiplies_int8: bool,
) -> GalleryFormat:
    """The form of a gallery.

    Args:
        precision: wanted; auto is int8 where that is several times as fast, else float16.
        exact_maps: wanted with int8; auto keeps them on the device, but where the capacity that is wanted would
            take more than half its memory so.
        capacity: wanted; None for 100,000 or what half the memory holds.
        config: of the model.
        device: that scores.
        multiplies_int8: whether it has instructions for that, and a scorer that uses them.

    Raises:
        CapacityError: the capacity that is wanted does not fit.
    """
    if precision == "auto":
        precision = "int8" if multiplies_int8 else "float16"
    numbers = config.locations * config.channels
    if precision != "int8":
        exact = choose_precision(device.type, precision)
        return _fitted(exact, None, numbers * exact.storage.itemsize, capacity, device)
    coarse_bytes = numbers + BYTES_BESIDE_VALUES
    both_bytes = coarse_bytes + numbers * _EXACT.storage.itemsize
    if exact_maps == "auto":
        exact_maps = "device" if capacity is None or has_room(capacity, both_bytes, device) else "disk"
    return _fitted(_EXACT, exact_maps, both_bytes if exact_maps == "device" else coarse_bytes, capacity, device)


def _fitted(
    exact: ScoringPrecision,
    exact_maps: ExactMapsPlace | None,
    detection_bytes: int,
    capacity: int | None,
    device: torch.device,
) -> GalleryFormat:
    try:
        return GalleryFormat(exact, exact_maps, detection_bytes, choose_capacity(capacity, detection_bytes, device))
    except CapacityError as error:
        raise CapacityError(f"{error}{_OR_SMALLER[exact_maps]}") from error

"""Feature maps read from the disk's records when exact scores are computed from them, for a device that has not the
memory to keep them too.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.gallery_scoring import position_major

FeatureMap = npt.NDArray[np.float16]
# Of a detection's record, [d, h, w]; None where there is none, or it cannot be read.
ReadMap = Callable[[str], FeatureMap | None]


class StoredMaps:
    """Maps [hw, d] by slot. What the disk has is the truth, and may be a moment newer than the rest of the device's.

    Args:
        read: a detection's map.
        detection_ids: object [capacity], by slot.
        dtype: in which maps are scored.
        device: that scores them.
    """

    def __init__(
        self,
        read: ReadMap,
        detection_ids: npt.NDArray[np.object_],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.dtype = dtype
        self._read = read
        self._detection_ids = detection_ids
        self._device = device

    def write(self, slot: int, map_: Tensor) -> None:
        """Nothing: the disk has it already."""

    def wipe(self, slot: int) -> None:
        """Nothing: the disk has it no more."""

    def at(self, slots: Sequence[int]) -> list[Tensor | None]:
        """The maps in some slots; None where the disk has it no more, or cannot read it."""
        return [self._map_of(str(self._detection_ids[slot])) for slot in slots]

    def _map_of(self, detection_id: str) -> Tensor | None:
        feature_map = self._read(detection_id)
        return None if feature_map is None else position_major_maps([feature_map], self.dtype, self._device)[0]


def position_major_maps(feature_maps: Sequence[FeatureMap], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Stored maps, float16 [d, h, w] each, as they are scored: [n, hw, d] in a format, on a device."""
    return position_major(torch.from_numpy(np.stack(feature_maps)).to(device)).to(dtype)

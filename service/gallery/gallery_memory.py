"""The memory that a gallery takes of its device, all of it at the start: a device with too little shows it then, not
when a detection is on the disk already.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from service.gallery.capacity import CapacityError
from service.out_of_memory import attempt, is_out_of_memory


class GalleryMemory:
    """Gives tensors and counts what they take.

    Args:
        capacity: slots.
        detection_bytes: of each, in all tensors that will be taken.
        device: whose memory it is.
        or_smaller: what else than a lower capacity would let the gallery fit, as it ends a sentence.
    """

    def __init__(self, capacity: int, detection_bytes: int, device: torch.device, or_smaller: str = "") -> None:
        self.capacity = capacity
        self.device = device
        self._detection_bytes = detection_bytes
        self._or_smaller = or_smaller
        self._taken_bytes = 0

    def take(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A tensor whose values are not set.

        Raises:
            CapacityError: there is too little memory; says for how many detections there is.
        """
        tensor = attempt(lambda: torch.empty(shape, dtype=dtype, device=self.device))
        if not isinstance(tensor, Exception):
            self._taken_bytes += prod(shape) * dtype.itemsize
            return tensor
        if not is_out_of_memory(tensor):
            raise tensor
        fit = self._taken_bytes // self._detection_bytes
        raise CapacityError(
            f"gallery_capacity {self.capacity} does not fit into the memory of {self.device}, which has room for {fit} "
            f"detections of {self._detection_bytes:,} bytes. Searches need memory too: set QACONV_GALLERY_CAPACITY to "
            f"{max(1, fit // 2)} or a little more{self._or_smaller}"
        )

"""Feature maps as int8, symmetric, with one scale for each map: half the memory of float16.

A scale for each location would lower the error by a third, but then similarities have to be scaled before their
maxima are taken: three more operations on each where there are two, and AMX waits for those already. The scores are for
finding the best candidates, whose exact scores are computed afterwards. Measured, the root of the mean square of the
logits' errors beside float64, in percent of their spread over the gallery, with a scale for each map, one for each
location, and with bfloat16: 0.29, 0.19, 0.07 for 192 drawn crops and the ResNet-18 checkpoint; 0.13, 0.09, 0.03 for the
maps of a crowd (tests/reference/crowd_maps.py). The first ten were those of float64 every time there, and for 38 of 40
queries against 360 drawn crops (benchmarks/results).

What `score_int8` of every scorer adds to the rounding of the maps is float32's alone. A maximum is the largest of hw
sums of integers, and exact: int32, or float32 up to its 2²⁴, which is 1040 channels. Only then come the head's 2hw
products, their sum in whatever order, two scales and the bias, each rounded by at most u = 2⁻²⁴. To first order in u
a logit is therefore off by at most

    (2hw + 4) · u · (M · (Σ|w_q| + Σ|w_g|) + |bias|),

where M is the longest vector of the one map times the longest of the other, which no similarity exceeds: for 192
locations less than 2.4 · 10⁻⁵ of the last factor. With c > 1040 channels, c · u · M · (Σ|w_q| + Σ|w_g|) comes on top.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_LARGEST = 127


@dataclass(frozen=True, slots=True)
class Int8Maps:
    """Maps that lie position-major.

    Attributes:
        values: int8 [n, hw, d], from −127 to 127.
        scales: float32 [n], on the same device; a map is its values times its scale.

    Raises:
        ValueError: tensors of other shapes or dtypes.
    """

    values: Tensor
    scales: Tensor

    def __post_init__(self) -> None:
        if self.values.dtype != torch.int8 or self.values.dim() != 3:
            raise ValueError(f"values {self.values.dtype} {list(self.values.shape)}, expected int8 [n, hw, d]")
        wanted = (torch.float32, self.values.shape[:1], self.values.device)
        if (self.scales.dtype, self.scales.shape, self.scales.device) != wanted:
            raise ValueError(
                f"scales {self.scales.dtype} {list(self.scales.shape)} on {self.scales.device}, "
                f"expected float32 [{len(self.values)}] on {self.values.device}"
            )

    def __len__(self) -> int:
        return len(self.values)

    def dequantise(self) -> Tensor:
        """The maps that these stand for, float32 [n, hw, d]."""
        return self.values.float() * self.scales[:, None, None]


def quantise(maps: Tensor) -> Int8Maps:
    """Rounds maps [n, hw, d] of any floating dtype to the nearest of 255 steps; finite values only."""
    exact = maps.float()
    largest = exact.abs().amax(dim=(1, 2))
    # A map of zeros alone, as one that was wiped, keeps a scale that can be divided by.
    scales = torch.where(largest > 0, largest / _LARGEST, 1.0)
    values = (exact / scales[:, None, None]).round_().clamp_(-_LARGEST, _LARGEST)
    return Int8Maps(values.to(torch.int8), scales)

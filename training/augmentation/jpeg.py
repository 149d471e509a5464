"""The losses of JPEG compression on tensors: colours to YCbCr, 8×8 cosine transform, quantisation, and back.

Entropy coding loses nothing and is left out; so is the halved resolution of the two colour channels.
"""

from math import pi

import torch
from torch import Tensor
from torch.nn import functional

_SIDE = 8
# ITU-T T.81, Annex K, Tables K.1 and K.2.
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
)  # fmt: skip
# JFIF 1.02.
_TO_YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def compress(crops: Tensor, qualities: Tensor) -> Tensor:
    """Crops float32 [n, 3, h, w] of 0 to 255 as after compression with qualities [n] of 1 to 100, as in libjpeg."""
    n, _, height, width = crops.shape
    device = crops.device
    to_ycbcr = torch.tensor(_TO_YCBCR, device=device)
    ycbcr = torch.einsum("ij,njhw->nihw", to_ycbcr, crops - 128)
    padded = functional.pad(ycbcr, (0, -width % _SIDE, 0, -height % _SIDE), mode="replicate")
    basis = _cosine_basis().to(device)
    blocks = functional.conv2d(padded.flatten(0, 1)[:, None], basis, stride=_SIDE)
    steps = _quantisation(qualities).to(device).view(3 * n, _SIDE * _SIDE, 1, 1)
    restored = functional.conv_transpose2d((blocks / steps).round() * steps, basis, stride=_SIDE)
    ycbcr = restored.view(padded.shape)[:, :, :height, :width]
    return (torch.einsum("ij,njhw->nihw", to_ycbcr.inverse(), ycbcr) + 128).clamp(0, 255)


def _cosine_basis() -> Tensor:
    """The orthonormal two-dimensional cosines as kernels [64, 1, 8, 8]."""
    place, frequency = torch.arange(_SIDE) + 0.5, torch.arange(_SIDE)
    cosines = torch.cos(pi / _SIDE * frequency[:, None] * place[None, :]) * (2 / _SIDE) ** 0.5
    cosines[0] *= 0.5**0.5
    return torch.einsum("ux,vy->uvxy", cosines, cosines).reshape(_SIDE * _SIDE, 1, _SIDE, _SIDE)


def _quantisation(qualities: Tensor) -> Tensor:
    """Steps [n, 3, 64] of the three channels, by libjpeg's rule from quality to scale."""
    scale = torch.where(qualities < 50, 5000 / qualities, 200 - 2 * qualities)
    tables = torch.tensor([_LUMINANCE, _CHROMINANCE, _CHROMINANCE]).float()
    return ((tables * scale[:, None, None] + 50) / 100).floor().clamp(1, 255)

"""Feature maps with the structure of a trained network's: for measuring what reduced precision costs.

Independent random maps would not do: all their pairs score nearly alike, and any rounding is large beside so small a
spread. A crowd's maps differ in what people wear.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_BANDS = 4  # head, torso, legs, shoes
_GARMENTS = 6  # kinds of garment in each band, so that strangers often share some


def draw_crowd(count: int, people: int, height: int, width: int, channels: int, seed: int, cameras: int = 6) -> Tensor:
    """Maps of the crops of a crowd, float32 [count, channels, height, width], of unit length at every location.

    Each is a body common to all, the person's garments band by band, what is the person's own in each row, the
    camera's cast and noise that differs in strength from crop to crop.
    """
    random = np.random.default_rng(seed)
    garments = random.standard_normal((_BANDS, _GARMENTS, channels))
    worn = random.integers(_GARMENTS, size=(people, _BANDS))
    band_of_row = np.arange(height) * _BANDS // height
    clothes = garments[band_of_row[None, :], worn[:, band_of_row]]
    own = clothes + 0.4 * random.standard_normal((people, height, channels))
    casts = 0.4 * random.standard_normal((cameras, channels))
    body = random.standard_normal((height, 1, channels))
    person, camera = random.integers(people, size=count), random.integers(cameras, size=count)
    noise_level = random.uniform(0.4, 1.0, size=(count, 1, 1, 1))
    noise = noise_level * random.standard_normal((count, height, width, channels))
    maps = body + own[person][:, :, None] + casts[camera][:, None, None] + noise
    return functional.normalize(torch.from_numpy(maps).float(), dim=3).permute(0, 3, 1, 2).contiguous()


def draw_independent(count: int, height: int, width: int, channels: int, seed: int) -> Tensor:
    """Maps without structure, of the same form: enough where only the arithmetic is compared."""
    values = np.random.default_rng(seed).standard_normal((count, channels, height, width))
    return functional.normalize(torch.from_numpy(values).float(), dim=1)

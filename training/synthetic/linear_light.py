"""Between the numbers in a picture file (sRGB, 0 to 255) and linear light (1.0 is a white surface in full light)."""

import numpy as np
import numpy.typing as npt

# The encoding of IEC 61966-2-1, as a table for speed.
_CODES = np.arange(256, dtype=np.float64) / 255.0
_LINEAR = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_linear(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Linear light of sRGB codes, same shape."""
    return _LINEAR.take(codes)


def to_codes(light: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """The sRGB codes of linear light, same shape; light above 1 is clipped."""
    clipped = np.clip(light, 0.0, 1.0)
    codes = np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)
    return np.round(codes * 255).astype(np.uint8)

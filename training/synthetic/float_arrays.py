"""Arrays of float32: what light, coverage and geometry are kept in."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def as_floats(values: npt.ArrayLike) -> Floats:
    """A float32 array of anything."""
    return np.asarray(values, np.float32)

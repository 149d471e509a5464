"""Creases of cloth: a few tiles of folded heights, as slopes that tilt a surface towards or away from the light."""

from functools import lru_cache

import numpy as np

from training.synthetic.float_arrays import Floats, as_floats

TILE = 256
# A tile spans a third of a person, so that folds are some centimetres apart.
TILES_PER_HEIGHT = 3
CREASE_KINDS = 24


@lru_cache(maxsize=1)
def crease_slopes() -> tuple[Floats, Floats]:
    """Slopes across and down of all tiles, flat [CREASE_KINDS * TILE * TILE]: of length 1/2 (root mean square)."""
    random = np.random.default_rng(20)
    tiles = [_tile(random) for _ in range(CREASE_KINDS)]
    return np.concatenate([tile[0] for tile in tiles]), np.concatenate([tile[1] for tile in tiles])


def _tile(random: np.random.Generator) -> tuple[Floats, Floats]:
    """Long ridges in about one direction, some broken across by finer ones."""
    height = _ridges(random, 1.5, 0.35) + 0.45 * _ridges(random, 3.0, 0.3) + 0.15 * _ridges(random, 8.0, 0.5)
    across = np.roll(height, -1, axis=1) - np.roll(height, 1, axis=1)
    down = np.roll(height, -1, axis=0) - np.roll(height, 1, axis=0)
    scale = 1.0 / (2.0 * float(np.sqrt((across**2 + down**2).mean())))
    return as_floats(across * scale).reshape(-1), as_floats(down * scale).reshape(-1)


def _ridges(random: np.random.Generator, cycles: float, roundness: float) -> Floats:
    frequency = np.fft.fftfreq(TILE, 1.0 / TILE)
    turn = random.uniform(0, np.pi)
    along = frequency[None, :] * np.cos(turn) + frequency[:, None] * np.sin(turn)
    beside = -frequency[None, :] * np.sin(turn) + frequency[:, None] * np.cos(turn)
    spectrum = np.exp(-((np.abs(along) - cycles) ** 2) / cycles - (beside / (cycles * roundness)) ** 2)
    noise = np.fft.ifft2(np.fft.fft2(random.normal(size=(TILE, TILE))) * spectrum).real
    noise /= noise.std()
    return as_floats(-np.sqrt(noise**2 + 0.15))

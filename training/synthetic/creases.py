"""Creases of cloth: a few tiles of folded heights, as slopes that tilt a surface towards or away from the light."""

from functools import lru_cache

import numpy as np

from training.synthetic.surface import Floats, as_floats

TILE = 256
# A tile spans a third of a person, so that folds are some centimetres apart.
TILES_PER_HEIGHT = 3
_KINDS = 24


def crease_slopes(seed: int) -> tuple[Floats, Floats]:
    """Slopes across and down of one of the tiles, flat [TILE * TILE], about -1 to 1."""
    return _tiles()[seed % _KINDS]


@lru_cache(maxsize=1)
def _tiles() -> tuple[tuple[Floats, Floats], ...]:
    random = np.random.default_rng(20)
    return tuple(_tile(random) for _ in range(_KINDS))


def _tile(random: np.random.Generator) -> tuple[Floats, Floats]:
    """Long ridges in about one direction, some broken across by finer ones."""
    height = _ridges(random, 2.0, 0.25) + 0.5 * _ridges(random, 4.0, 0.4) + 0.2 * _ridges(random, 9.0, 0.8)
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
    return as_floats(-np.sqrt(np.abs(noise) + 0.05))

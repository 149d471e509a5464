"""Fabrics: a colour pattern as a picture tile that garments are cut from."""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.synthetic.palette import Color
from training.synthetic.random_streams import Stream, random_stream

# Periodic in x, so that it may be shifted around the body; both sides are powers of two for the noise octaves.
TILE_WIDTH, TILE_HEIGHT = 256, 512


class Pattern(Enum):
    """How the two colours of a fabric are laid out."""

    PLAIN = "plain"
    MELANGE = "melange"
    HORIZONTAL_STRIPES = "horizontal_stripes"
    VERTICAL_STRIPES = "vertical_stripes"
    CHECKS = "checks"
    DOTS = "dots"
    BLOTCHES = "blotches"


@dataclass(frozen=True, slots=True)
class Fabric:
    """A fabric of one garment.

    Attributes:
        main: the colour that covers most of it.
        second: the colour of stripes, dots and the like.
        period: distance between repeats, in tile pixels (a person is about 320 tile pixels tall).
        duty: the share of a period that the second colour takes, 0 to 1.
        seed: of the threads and blotches.
    """

    pattern: Pattern
    main: Color
    second: Color
    period: int
    duty: float
    seed: int


def smooth_noise(random: np.random.Generator, width: int, height: int, cell: int) -> npt.NDArray[np.float32]:
    """Value noise in [-1, 1], [height, width], smooth over about `cell` pixels."""
    coarse = random.integers(0, 256, (max(2, height // cell), max(2, width // cell)), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    noise: npt.NDArray[np.float32] = np.asarray(image, dtype=np.float32) / 127.5 - 1.0
    return noise


@lru_cache(maxsize=512)
def fabric_tile(fabric: Fabric) -> Image.Image:
    """The fabric as an RGB image of TILE_WIDTH x TILE_HEIGHT."""
    random = random_stream(fabric.seed, Stream.FABRIC)
    share = _second_color_share(fabric, random)[:, :, None]
    colors = np.asarray(fabric.main, np.float32) * (1 - share) + np.asarray(fabric.second, np.float32) * share
    weave = random.normal(0.0, 3.0, (TILE_HEIGHT, TILE_WIDTH, 1)).astype(np.float32)
    return Image.fromarray(np.clip(colors + weave, 0, 255).astype(np.uint8))


def _second_color_share(fabric: Fabric, random: np.random.Generator) -> npt.NDArray[np.float32]:
    rows = np.arange(TILE_HEIGHT, dtype=np.float32)[:, None] / fabric.period % 1.0
    columns = np.arange(TILE_WIDTH, dtype=np.float32)[None, :] / fabric.period % 1.0
    share = np.zeros((TILE_HEIGHT, TILE_WIDTH), np.float32)
    match fabric.pattern:
        case Pattern.PLAIN:
            pass
        case Pattern.MELANGE:
            streaks = random.normal(0.0, 0.35, (TILE_HEIGHT // 3, TILE_WIDTH // 16)).astype(np.float32)
            share += np.asarray(Image.fromarray(streaks).resize((TILE_WIDTH, TILE_HEIGHT)))
            np.clip(share + 0.25, 0, 1, out=share)
        case Pattern.HORIZONTAL_STRIPES:
            share += rows < fabric.duty
        case Pattern.VERTICAL_STRIPES:
            share += columns < fabric.duty
        case Pattern.CHECKS:
            share += 0.5 * (rows < fabric.duty) + 0.5 * (columns < fabric.duty)
        case Pattern.DOTS:
            share += (rows - 0.5) ** 2 + (columns - 0.5) ** 2 < (0.5 * fabric.duty) ** 2
        case Pattern.BLOTCHES:
            share += smooth_noise(random, TILE_WIDTH, TILE_HEIGHT, fabric.period) > 0.6 - fabric.duty
    return share

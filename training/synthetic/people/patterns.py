"""Fabrics: colours and a pattern that any part of a garment is cut from, laid out in body heights."""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import numpy as np

from training.synthetic.float_arrays import Floats, as_floats
from training.synthetic.people.palette import Color, sample_bright, shaded

_NOISE_SIZE = 256
# Texels of noise per body height: threads of about half a centimetre.
_NOISE_SCALE = 300.0


class Pattern(Enum):
    """How the colours of a fabric are laid out."""

    PLAIN = "plain"
    HEATHER = "heather"
    RIBBED = "ribbed"
    HORIZONTAL_STRIPES = "horizontal_stripes"
    VERTICAL_STRIPES = "vertical_stripes"
    BANDS = "bands"
    GINGHAM = "gingham"
    PLAID = "plaid"
    DOTS = "dots"
    CAMOUFLAGE = "camouflage"
    FLORAL = "floral"
    GRADIENT = "gradient"
    ZIGZAG = "zigzag"
    DIAMONDS = "diamonds"


# How often each pattern but PLAIN is worn among patterned clothes, in the order of `Pattern`.
_PATTERN_SHARES = (0.24, 0.07, 0.15, 0.06, 0.07, 0.07, 0.10, 0.05, 0.035, 0.075, 0.035, 0.02, 0.025)


@dataclass(frozen=True, slots=True)
class Fabric:
    """A fabric.

    Attributes:
        main: the colour that covers most of it, sRGB 0 to 255.
        second, third: the colours of stripes, dots and the like.
        period: distance between repeats, body heights.
        duty: the share of a period that the second colour takes, 0 to 1.
        weave: strength of its grain, of 255.
        seed: of grain, blots and widths.
    """

    pattern: Pattern
    main: Color
    second: Color
    third: Color
    period: float
    duty: float
    weave: float
    seed: int


def plain(color: Color, seed: int = 0, weave: float = 3.0) -> Fabric:
    """A fabric of one colour."""
    return Fabric(Pattern.PLAIN, color, color, color, 0.05, 0.5, weave, seed)


def sample_fabric(random: np.random.Generator, main: Color, other: Color, plain_share: float) -> Fabric:
    """A fabric of a main colour; another goes into its pattern, if it has one."""
    pattern = Pattern.PLAIN
    if random.random() > plain_share:
        shares = np.asarray(_PATTERN_SHARES)
        pattern = list(Pattern)[1 + int(random.choice(len(shares), p=shares / shares.sum()))]
    if pattern in {Pattern.HEATHER, Pattern.RIBBED, Pattern.GRADIENT} and random.random() < 0.7:
        other = shaded(main, float(random.choice((0.55, 0.7, 1.35, 1.7)))) if max(main) > 60 else (120.0, 120.0, 122.0)
    third = sample_bright(random) if random.random() < 0.5 else shaded(main, 0.5 if max(main) > 90 else 2.2)
    return Fabric(
        pattern=pattern,
        main=main,
        second=other,
        third=third,
        period=float(np.exp(random.uniform(np.log(0.012), np.log(0.09)))),
        duty=float(random.uniform(0.2, 0.6)),
        weave=float(random.uniform(1.0, 6.0)),
        seed=int(random.integers(2**31)),
    )


def weave(fabric: Fabric, along: Floats, across: Floats) -> Floats:
    """Pixels [len(along), len(across), 3], sRGB 0 to 255, at places along and around the body, in body heights."""
    colors = np.empty((len(along), len(across), 3), np.float32)
    grain = noise_at(fabric.seed, along, across, _NOISE_SCALE) * (fabric.weave * (0.15 + 0.85 * max(fabric.main) / 255))
    colors[:] = as_floats(fabric.main)
    if fabric.pattern is not Pattern.PLAIN:
        share, third_share = _shares(fabric, along[:, None], across[None, :])
        blend(colors, share, fabric.second)
        if third_share is not None:
            blend(colors, third_share, fabric.third)
    for channel in range(3):
        colors[:, :, channel] += grain
    return colors


def from_seam(around: Floats) -> Floats:
    """Shares of the way around, counted from the seam under the arm or inside the leg: patterns break there."""
    return as_floats((around + 0.75) % 1.0)


def blend(pixels: Floats, share: Floats, color: Color) -> None:
    """Mix a colour into pixels [h, w, 3], in place, by its share [h, w] or what stretches to it.

    Channel by channel: numpy is slow on arrays whose last axis is only three long.
    """
    for channel in range(3):
        pixels[:, :, channel] += share * (np.float32(color[channel]) - pixels[:, :, channel])


def darken(pixels: Floats, factor: Floats) -> None:
    """Multiply pixels [h, w, 3], in place, by [h, w]."""
    for channel in range(3):
        pixels[:, :, channel] *= factor


def noise_at(seed: int, along: Floats, across: Floats, scale: float) -> Floats:
    """Noise of unit spread [len(along), len(across)] that repeats after _NOISE_SIZE / scale body heights."""
    bank = _noise_bank(0)
    rows = (along * scale + seed % 251).astype(np.intp) % _NOISE_SIZE
    columns = (across * scale + seed % 241).astype(np.intp) % _NOISE_SIZE
    return bank.take(rows, axis=0).take(columns, axis=1)


def blobs_at(seed: int, along: Floats, across: Floats, period: float) -> Floats:
    """Smooth noise of unit spread, its blobs about `period` body heights across."""
    bank = _noise_bank(1 + seed % 3)
    # The bank's blobs are 16 texels across.
    scale = 16.0 / period
    rows = (along * scale + seed % 251).astype(np.intp) % _NOISE_SIZE
    columns = (across * scale + seed % 241).astype(np.intp) % _NOISE_SIZE
    return bank.take(rows, axis=0).take(columns, axis=1)


@lru_cache(maxsize=4)
def _noise_bank(kind: int) -> Floats:
    random = np.random.default_rng(kind)
    white = random.normal(size=(_NOISE_SIZE, _NOISE_SIZE))
    if kind:
        frequency = np.hypot(np.fft.fftfreq(_NOISE_SIZE)[:, None], np.fft.fftfreq(_NOISE_SIZE)[None, :])
        white = np.fft.ifft2(np.fft.fft2(white) * np.exp(-((frequency * 16 * 1.6) ** 2))).real
    return as_floats((white - white.mean()) / white.std())


def _shares(fabric: Fabric, rows: Floats, columns: Floats) -> tuple[Floats, Floats | None]:  # noqa: C901, PLR0912 - a pattern each
    """How much of the second colour there is, and of the third, where there is one."""
    period, duty = fabric.period, fabric.duty
    down, side = rows / period % 1.0, columns / period % 1.0
    match fabric.pattern:
        case Pattern.HEATHER:
            streaks = blobs_at(fabric.seed, rows[:, 0], columns[0] * 0.25, 0.012)
            return as_floats(np.clip(0.4 + 0.35 * streaks, 0, 1)), None
        case Pattern.RIBBED:
            return as_floats(0.5 + 0.5 * np.sin(columns * (2 * np.pi / 0.012)) + 0 * rows), None
        case Pattern.HORIZONTAL_STRIPES:
            return as_floats(down < duty), None
        case Pattern.VERTICAL_STRIPES:
            return as_floats(side < duty * 0.6), None
        case Pattern.BANDS:
            edges = np.cumsum(np.random.default_rng(fabric.seed).uniform(0.02, 0.12, 40))
            band = np.searchsorted(edges, rows) % 3
            return as_floats(band == 1), as_floats(band == 2)
        case Pattern.GINGHAM:
            return as_floats(0.5 * (down < 0.5) + 0.5 * (side < 0.5)), None
        case Pattern.PLAID:
            share = 0.5 * (down < duty) + 0.5 * (side < duty)
            line = np.maximum(np.abs(down - 0.75) < 0.05, np.abs(side - 0.75) < 0.05)
            return as_floats(share), as_floats(line * 0.7)
        case Pattern.DOTS:
            offset = np.floor(rows / period) % 2 * 0.5
            radius = (down - 0.5) ** 2 + ((columns / period + offset) % 1.0 - 0.5) ** 2
            return as_floats(radius < (0.22 + 0.2 * duty) ** 2), None
        case Pattern.CAMOUFLAGE:
            first = blobs_at(fabric.seed, rows[:, 0], columns[0], max(period, 0.03))
            other = blobs_at(fabric.seed + 1, rows[:, 0], columns[0], max(period, 0.03))
            return as_floats(first > 0.3), as_floats(other > 0.7)
        case Pattern.FLORAL:
            first = blobs_at(fabric.seed, rows[:, 0], columns[0], period * 0.5)
            other = blobs_at(fabric.seed + 1, rows[:, 0], columns[0], period * 0.4)
            return as_floats(first > 1.5 - duty), as_floats(other > 1.7 - duty)
        case Pattern.GRADIENT:
            return as_floats(np.clip((rows - 0.05) / 0.3, 0, 1)), None
        case Pattern.ZIGZAG:
            return as_floats((rows / period + 1.2 * np.abs(side - 0.5)) % 1.0 < duty), None
        case _:
            return as_floats(np.abs(down - 0.5) + np.abs(side - 0.5) < 0.35 + 0.2 * duty), None

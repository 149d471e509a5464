"""Textures of faces, hair and headwear."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from training.synthetic.figures.surface import Texture
from training.synthetic.float_arrays import Floats, as_floats
from training.synthetic.people.hairdo import HairStyle, Head, Headwear
from training.synthetic.people.palette import Color, shaded
from training.synthetic.people.patterns import Fabric, blend, blobs_at, darken, noise_at, weave

HEAD_COLUMNS = 29
_ROWS, _COLUMNS = 64, 96
_GIRTH = 0.31


@lru_cache(maxsize=128)
def face_texture(head: Head, skin: Color, seed: int) -> Texture:
    """Rows run from the crown to the chin; hair that is too short to stand off is painted on."""
    place, side = _grid(_ROWS)
    q, u = place[:, None], side[None, :]
    x = (u - 0.5) * _GIRTH
    pixels = np.empty((_ROWS, _COLUMNS, 3), np.float32)
    pixels[:] = skin
    darken(pixels, 1 + 0.02 * blobs_at(seed, place * 0.13, side * _GIRTH, 0.03))
    flush = np.exp(-(((np.abs(x) - 0.022) / 0.012) ** 2) - ((q - 0.68) / 0.08) ** 2)
    pixels[:, :, 1:] *= (1 - 0.1 * flush)[:, :, None]
    _paint(
        pixels, np.exp(-((x / 0.013) ** 2) - ((q - 0.81) / 0.016) ** 2), (skin[0] * 0.72, skin[1] * 0.5, skin[2] * 0.5)
    )
    eyes = np.exp(-(((np.abs(x) - 0.0175) / 0.0075) ** 4) - ((q - 0.49) / 0.032) ** 4)
    _paint(pixels, eyes, shaded(skin, 0.42))
    brows = np.exp(-(((np.abs(x) - 0.018) / 0.011) ** 4) - ((q - 0.405) / 0.02) ** 4)
    _paint(pixels, 0.75 * brows, shaded(head.hair, 0.75))
    _paint(pixels, 0.35 * np.exp(-((x / 0.012) ** 4) - ((q - 0.685) / 0.018) ** 2), shaded(skin, 0.6))
    _paint(pixels, 0.3 * np.exp(-(((np.abs(u - 0.5) - 0.28) / 0.03) ** 2) - ((q - 0.55) / 0.1) ** 2), shaded(skin, 0.6))
    _hairy(pixels, head, q, u, seed)
    _cover(pixels, head, q, u, x)
    return Texture(np.clip(pixels, 0, 255).astype(np.uint8), gloss=0.12)


@lru_cache(maxsize=128)
def hair_texture(head: Head, bottom: float, seed: int) -> Texture:
    """Hair of a shell that reaches down to `bottom` (see `hairline`); 0 for a tail or a bun, which has no hole."""
    place, side = _grid(96 if bottom > 1 else _ROWS)
    q, u = place[:, None] * bottom, side[None, :]
    streaks = noise_at(seed, place * 0.02, side * _GIRTH, 300.0) + 0.7 * blobs_at(
        seed, place * 0.05, side * _GIRTH, 0.02
    )
    tips = np.clip((place - 0.45) / 0.4, 0, 1)[:, None, None]
    pixels = (as_floats(head.hair) * (1 - tips) + as_floats(head.tips) * tips) * (1 + 0.13 * streaks[:, :, None])
    pixels = np.clip(pixels + 2.5 * streaks[:, :, None], 0, 255)
    shape = None
    if bottom:
        ragged = blobs_at(seed + 5, place * 0.02, side * _GIRTH, 0.02) * 0.02
        shape = hairline(head, q, u, bottom) + ragged > 0
    return Texture(pixels.astype(np.uint8), shape, length=0.13, girth=_GIRTH, crease=0.18, crease_seed=seed, gloss=0.35)


def hairline(head: Head, q: Floats, u: Floats, bottom: float) -> Floats:
    """Above 0 where hair grows: `q` is 0 at the crown and 1 at the chin, `u` goes around from the back."""
    from_front = np.abs(u - 0.5)
    forehead = 0.17 + 0.2 * head.fringe
    if head.hair_style in {HairStyle.BOB, HairStyle.LONG}:
        side = np.clip((from_front - 0.165) / 0.05, 0, 1)
        lower = forehead + (bottom - forehead) * side
    else:
        temple, nape = np.clip((from_front - 0.16) / 0.05, 0, 1), np.clip((from_front - 0.30) / 0.08, 0, 1)
        lower = forehead + (0.5 - forehead) * temple + 0.28 * nape
    return as_floats(lower - q)


@lru_cache(maxsize=128)
def wear_texture(head: Head, seed: int) -> Texture:
    """Fabric of a cap, hat, hood or headscarf, with its band or badge, and a hole for the face where it has one."""
    place, side = _grid(_ROWS)
    pixels = weave(head.headwear_fabric, as_floats(place * 0.1), as_floats(side * _GIRTH))
    q, u = place[:, None], side[None, :]
    shape = None
    match head.headwear:
        case Headwear.CAP:
            badge = (np.abs(u - 0.5) < 0.05) & (np.abs(q - 0.62) < 0.12) & (head.fringe > 0.4)
            pixels[badge] = head.headwear_trim
            pixels[place > 0.86] *= 0.85
        case Headwear.BEANIE:
            pixels[place > 0.68] = pixels[place > 0.68] * 0.8 if head.fringe < 0.6 else as_floats(head.headwear_trim)
        case Headwear.BRIM:
            pixels[(place > 0.62) & (place < 0.78)] = head.headwear_trim
        case Headwear.HOOD | Headwear.HEADSCARF:
            bottom, width = (1.2, 0.17) if head.headwear is Headwear.HOOD else (1.45, 0.145)
            oval = ((u - 0.5) / width) ** 2 + ((q * bottom - 0.66) / 0.44) ** 2
            shape = oval > 1
            pixels[(oval > 1) & (oval < 1.25)] *= 0.75
        case _:
            pass
    return Texture(
        np.clip(pixels, 0, 255).astype(np.uint8), shape, length=0.13, girth=_GIRTH, crease=0.2, crease_seed=seed
    )


def scarf_texture(fabric: Fabric) -> Texture:
    """A scarf that is wound around the neck."""
    place, side = _grid(40)
    pixels = weave(fabric, as_floats(place * 0.1), as_floats(side * 0.4))
    pixels *= (0.85 + 0.15 * np.sin(place[:, None] * 22 + 3 * np.sin(side[None, :] * 6.28)))[:, :, None]
    return Texture(np.clip(pixels, 0, 255).astype(np.uint8), length=0.1, girth=0.4, crease=0.4, crease_seed=fabric.seed)


def _grid(rows: int) -> tuple[Floats, Floats]:
    return as_floats((np.arange(rows) + 0.5) / rows), as_floats((np.arange(_COLUMNS) + 0.5) / _COLUMNS)


def _paint(pixels: Floats, share: npt.NDArray[np.floating], color: Color) -> None:
    blend(pixels, as_floats(share), color)


def _hairy(pixels: Floats, head: Head, q: Floats, u: Floats, seed: int) -> None:
    """Stubble of the scalp, and the beard."""
    if head.hair_style is not HairStyle.BALD:
        _paint(pixels, 0.9 * np.clip(hairline(head, q, u, 1.0) * 12, 0, 1), head.hair)
    elif head.fringe > 0.5:
        crown = np.clip(1 - np.abs(q - 0.48) / 0.12, 0, 1) * (np.abs(u - 0.5) > 0.22)
        _paint(pixels, 0.8 * np.minimum(1, 2 * crown), head.hair)
    if head.beard is not None:
        from_front = np.abs(u - 0.5)
        chin = np.clip((q - 0.70) / 0.06, 0, 1) * np.clip((0.27 - from_front) / 0.03, 0, 1)
        if not head.has_full_beard:
            chin = chin * np.clip((0.075 - from_front) / 0.02, 0, 1)
        lips = np.exp(-((from_front / 0.035) ** 4) - ((q - 0.81) / 0.03) ** 2)
        grain = 0.8 + 0.1 * noise_at(seed, q[:, 0], u[0], 200.0)
        _paint(pixels, np.clip(chin * (1 - 0.7 * lips) * grain, 0, 1), head.beard)


def _cover(pixels: Floats, head: Head, q: Floats, u: Floats, x: Floats) -> None:
    """Glasses and a mask."""
    if head.glasses is not None:
        rim = (np.abs(np.hypot((np.abs(x) - 0.0185) / 0.0145, (q - 0.5) / 0.085) - 0.92) < 0.16) & (
            np.abs(u - 0.5) < 0.14
        )
        bow = (np.abs(q - 0.46) < 0.016) & (np.abs(u - 0.5) < 0.28) & (np.abs(u - 0.5) > 0.1)
        pixels[rim | bow] = head.glasses
    if head.has_mask:
        pixels[(q > 0.6) & (np.abs(u - 0.5) < 0.17 + 0 * q)] = (
            (208.0, 222.0, 232.0) if head.fringe > 0.3 else (26.0, 26.0, 28.0)
        )

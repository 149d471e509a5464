"""The texture of a garment of the trunk: fabric, seams, collar, closure, prints, straps of bags over it."""

from dataclasses import dataclass

import numpy as np

from training.synthetic.figures.surface import Texture
from training.synthetic.figures.trunk import opening_at, texture_rows
from training.synthetic.float_arrays import Floats, as_floats
from training.synthetic.people.luggage import BagKind, Luggage
from training.synthetic.people.palette import Color, shaded
from training.synthetic.people.patterns import darken, from_seam, weave
from training.synthetic.people.prints import draw_print
from training.synthetic.people.wardrobe import Blocking, Closure, Collar, Top

_GIRTH = 0.53
_COLUMNS = 232
_AROUND = as_floats((np.arange(_COLUMNS) + 0.5) / _COLUMNS)
_ROWS_PER_HEIGHT = 420


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """A garment's pixels [h, w, 3] and where each row and column is on the body."""

    pixels: Floats
    heights: Floats
    along: Floats
    around: Floats

    @property
    def across(self) -> Floats:
        """From the middle of the front to the person's left, body heights."""
        return (self.around - 0.5) * _GIRTH

    @property
    def across_back(self) -> Floats:
        """From the middle of the back, as an onlooker from behind reads it."""
        return ((self.around + 0.5) % 1.0 - 0.5) * _GIRTH


def top_texture(top: Top, under: Top | None, skin: Color, luggage: Luggage | None, crease_seed: int) -> Texture:
    """The texture of a garment; `under` shows where it stands open, straps of `luggage` run over it."""
    count = int((0.93 - top.hem) * _ROWS_PER_HEIGHT)
    cut = _cut(top, count, skin, _AROUND)
    if top.opening and under is not None:
        _show_through(cut, top, under, skin)
    if luggage is not None:
        _draw_straps(cut, luggage)
    _darken_armpits(cut)
    crease = 0.10 + 9.0 * top.ease if not top.quilting else 0.15
    return Texture(
        np.clip(cut.pixels, 0, 255).astype(np.uint8), length=0.93 - top.hem, girth=_GIRTH, crease=min(crease, 0.3),
        crease_seed=crease_seed, gloss=0.5 if top.is_shiny else 0.0,
    )  # fmt: skip


def _cut(top: Top, count: int, skin: Color, around: Floats) -> _Cut:
    heights, along = texture_rows(top.hem, count)
    cut = _Cut(weave(top.fabric, along, from_seam(around) * np.float32(_GIRTH)), heights, along, around)
    _set_in(cut, top)
    if top.quilting:
        cut.pixels[:] *= (0.72 + 0.36 * np.abs(np.sin(np.pi * along / top.quilting)) ** 0.6)[:, None, None]
    if top.front is not None:
        draw_print(cut.pixels, heights, cut.across, top.front)
    if top.back is not None:
        draw_print(cut.pixels, heights, cut.across_back, top.back)
    _close(cut, top)
    _draw_pockets(cut, top)
    _finish_edges(cut, top, skin)
    return cut


def _set_in(cut: _Cut, top: Top) -> None:
    """The second fabric, where the garment has one set in."""
    side = np.abs(np.abs(cut.around - 0.5) - 0.25)
    match top.blocking:
        case Blocking.NONE:
            return
        case Blocking.YOKE:
            rows, columns = cut.heights > 0.76, np.ones(len(cut.around), bool)
        case Blocking.LOWER:
            rows, columns = cut.heights < 0.64, np.ones(len(cut.around), bool)
        case Blocking.SIDES:
            rows, columns = cut.heights < 0.82, side < 0.07
        case Blocking.HALVES:
            rows, columns = cut.heights < 1.0, cut.around < 0.5
        case _:
            rows, columns = (cut.heights < 0.76) & (cut.heights > 0.68), np.ones(len(cut.around), bool)
    window = np.ix_(rows, columns)
    cut.pixels[window] = weave(top.block_fabric, cut.along[rows], cut.across[columns])


def _close(cut: _Cut, top: Top) -> None:
    """A zip or a row of buttons down the front."""
    if top.closure is Closure.NONE or top.opening:
        return
    line = shaded(top.fabric.main, 0.55) if max(top.fabric.main) > 70 else (82.0, 82.0, 84.0)
    color = top.trim or line
    rows = cut.heights < 0.85
    if top.closure is Closure.HALF:
        rows = rows & (cut.heights > 0.75)
    middle = np.abs(cut.across) < (0.0035 if top.closure is Closure.ZIP else 0.0018)
    cut.pixels[np.ix_(rows, middle)] = color
    if top.closure is not Closure.ZIP:
        buttons = rows & (cut.along % 0.047 < 0.008)
        cut.pixels[np.ix_(buttons, np.abs(cut.across - 0.006) < 0.004)] = shaded(color, 1.6)


def _draw_pockets(cut: _Cut, top: Top) -> None:
    if not top.has_pockets or top.hem > 0.53:
        return
    rows = np.abs(cut.heights - 0.575) < 0.004
    columns = np.abs(np.abs(cut.across) - 0.07) < 0.022
    cut.pixels[np.ix_(rows, columns)] *= 0.6


def _finish_edges(cut: _Cut, top: Top, skin: Color) -> None:
    """Hem, side seams and what the collar leaves bare."""
    if top.trim is not None:
        cut.pixels[cut.heights < top.hem + 0.014] = top.trim
    cut.pixels[-2:] *= 0.7
    seam = np.abs(np.abs(cut.around - 0.5) - 0.25) < 0.004
    cut.pixels[:, seam] *= 0.88
    x = np.abs(cut.across)[None, :]
    edge = {Collar.VEE: 0.775, Collar.SCOOP: 0.8, Collar.SHIRT: 0.815, Collar.LAPELS: 0.76}.get(top.collar, 0.852)
    width = {Collar.VEE: 0.05, Collar.SCOOP: 0.075, Collar.SHIRT: 0.028, Collar.LAPELS: 0.055}.get(top.collar, 0.0)
    if top.collar in {Collar.TURTLE, Collar.HOOD} or (top.collar is Collar.SHIRT and top.closure is Closure.NONE):
        return
    y = cut.heights[:, None]
    line = (
        edge + (0.86 - edge) * np.minimum(x / width, 1.0) ** (2.0 if top.collar is Collar.SCOOP else 1.0)
        if width
        else np.full_like(x, edge)
    )
    # A crew neck is as high behind as in front.
    line = np.where(np.abs(cut.around - 0.5)[None, :] > 0.25, 0.858, line)
    bare = y > line
    rim = (~bare) & (y > line - 0.009)
    cut.pixels[rim] = cut.pixels[rim] * 0.8 if top.trim is None else as_floats(top.trim)
    cut.pixels[bare] = skin


def _show_through(cut: _Cut, top: Top, under: Top, skin: Color) -> None:
    """What is worn beneath, in the opening of the front; the flap's edge throws a little shadow."""
    gap = opening_at(top, cut.heights)[:, None]
    place = np.abs(cut.around - 0.5)[None, :]
    window = np.flatnonzero(place[0] < gap.max())
    beneath = _cut(under, len(cut.heights), skin, cut.around[window])
    # The garment beneath is laid out by its own hem: take its rows by height.
    rows = np.interp(-cut.heights, -beneath.heights, np.arange(len(beneath.heights))).astype(np.intp)
    is_open = (place < gap) & (cut.heights[:, None] < 0.87)
    is_edge = is_open & (place > gap - 0.014)
    front = cut.pixels[:, window[0] : window[-1] + 1]
    front[is_open[:, window]] = beneath.pixels[rows][is_open[:, window]]
    cut.pixels[is_edge] *= 0.55
    is_lapel = (~is_open) & (place < gap + 0.045) & (cut.heights[:, None] > 0.72)
    if top.collar is Collar.LAPELS:
        cut.pixels[is_lapel] *= 1.14
        is_fold = (~is_open) & (np.abs(place - gap - 0.045) < 0.005) & (cut.heights[:, None] > 0.72)
        cut.pixels[is_fold] *= 0.6


def _draw_straps(cut: _Cut, luggage: Luggage) -> None:
    """Straps lie on the garment: a backpack's down the front, a cross-body bag's from shoulder to hip on both sides."""
    y, x = cut.heights[:, None], cut.across[None, :]
    if luggage.kind is BagKind.BACKPACK:
        bow = 0.056 + 0.022 * np.clip((0.8 - y) / 0.15, 0, 1)
        is_strap = (np.abs(np.abs(x) - bow) < 0.0125) & (y > 0.64)
    elif luggage.kind is BagKind.CROSS_BODY:
        sign = 1.0 if luggage.is_left else -1.0
        front = np.abs(x - sign * (0.055 - 0.17 * (y - 0.56) / 0.28 + 0.055)) < 0.009
        back = np.abs(cut.across_back[None, :] + sign * (0.055 - 0.17 * (y - 0.56) / 0.28 + 0.055)) < 0.009
        is_strap = (front | back) & (y > 0.56)
    elif luggage.kind is BagKind.SHOULDER_BAG:
        sign = 1.0 if luggage.is_left else -1.0
        is_strap = (np.abs(np.abs(x - sign * 0.13) - 0.045) < 0.008) & (y > 0.60)
    else:
        return
    shadow = np.roll(is_strap, 2, axis=0) & ~is_strap
    cut.pixels[shadow] *= 0.75
    cut.pixels[is_strap] = luggage.strap


def _darken_armpits(cut: _Cut) -> None:
    """Between arm and trunk little light comes in."""
    side = np.exp(-(((np.abs(cut.around - 0.5) - 0.25) / 0.06) ** 2))
    depth = np.exp(-(((cut.heights - 0.72) / 0.07) ** 2))
    darken(cut.pixels, as_floats(1 - 0.28 * depth[:, None] * side))

"""From what is nearest in each pixel to linear light: colour, lights, and the shade of parts on each other."""

from collections.abc import Sequence

import numpy as np

from training.synthetic.figures.raster import Samples
from training.synthetic.figures.surface import Texture
from training.synthetic.figures.view import Light
from training.synthetic.float_arrays import Floats, as_floats
from training.synthetic.linear_light import to_linear

# The shade is worked out once for so many pixels across and down.
_GRID = 5


def shade(
    samples: Samples, textures: Sequence[Texture], light: Light, supersampling: float, person_pixels: float
) -> tuple[Floats, Floats]:
    """Linear colour [h, w, 3], not premultiplied, and coverage [h, w], smaller by `supersampling` than the samples."""
    sunlit, open_sky = _occlusion(samples, light, person_pixels)
    direct = samples.direct * sunlit.take(samples.pixel)
    ambient = samples.ambient * open_sky.take(samples.pixel)
    palette = np.concatenate([texture.pixels.reshape(-1, 3) for texture in textures])
    albedo = to_linear(palette.take(samples.texel, axis=0))
    seen = np.ones((len(direct), 4), np.float32)
    for channel in range(3):
        seen[:, channel] = albedo[:, channel] * (direct * light.direct[channel] + ambient * light.ambient[channel])
    full = np.zeros((samples.shape[0] * samples.shape[1], 4), np.float32)
    full[samples.pixel] = seen
    return _reduced(full.reshape(*samples.shape, 4), supersampling)


def _reduced(full: Floats, supersampling: float) -> tuple[Floats, Floats]:
    """Means of the samples [h, w, 4] that fall into each pixel: one or two across and as many down."""
    total, rows = _summed(full, supersampling, axis=0)
    total, columns = _summed(total, supersampling, axis=1)
    alpha = total[:, :, 3]
    color = total[:, :, :3]
    color *= (1 / np.maximum(alpha, 1.0))[:, :, None]
    return np.ascontiguousarray(color), as_floats(alpha / (rows[:, None] * columns))


def _summed(values: Floats, step: float, axis: int) -> tuple[Floats, Floats]:
    """Sums over steps of 1 to 2 elements along an axis, and how many elements went into each."""
    edges = np.ceil(np.arange(int(values.shape[axis] / step) + 1) * step).astype(np.intp)
    edges = edges[edges <= values.shape[axis]]
    has_two = as_floats(np.diff(edges) - 1)
    second = values.take(np.minimum(edges[:-1] + 1, values.shape[axis] - 1), axis=axis)
    second *= has_two[:, None, None] if axis == 0 else has_two[:, None]
    second += values.take(edges[:-1], axis=axis)
    return second, has_two + 1


def _occlusion(samples: Samples, light: Light, person_pixels: float) -> tuple[Floats, Floats]:
    """How much of the main light and of the sky reaches each pixel, from the depths around it, on a coarse grid.

    What stands nearer to the camera a little way towards the light is taken to shade what is behind it.
    """
    height, width = samples.shape
    depth = samples.depth.reshape(height, width)[::_GRID, ::_GRID]
    step = person_pixels / _GRID
    sunlit, sky = np.ones_like(depth), np.ones_like(depth)
    x, y = light.direction[0], -light.direction[1]
    for reach in (0.02, 0.045, 0.08):
        # The light's own rise towards the camera over that distance must be passed.
        rise = _moved(depth, x * reach * step, y * reach * step) - (
            depth + (0.012 + reach * max(light.direction[2], 0.0))
        )
        sunlit -= 0.3 * np.minimum(np.maximum(rise * (1 / 0.03), 0), 1)
    for right, down in ((1, 0), (-1, 0), (0, 1), (0, -1), (2, 1), (-2, -1), (-1, 2), (1, -2)):
        rise = _moved(depth, right * 0.03 * step, down * 0.03 * step) - (depth + 0.01)
        sky -= 0.07 * np.minimum(np.maximum(rise * (1 / 0.04), 0), 1)
    return _spread(_smooth(sunlit), samples.shape).reshape(-1), _spread(_smooth(sky), samples.shape).reshape(-1)


def _moved(depth: Floats, x: float, y: float) -> Floats:
    """The depth found a step to the right and down of each place; the edge is repeated."""
    rows = np.clip(np.arange(depth.shape[0]) + round(y), 0, depth.shape[0] - 1)
    columns = np.clip(np.arange(depth.shape[1]) + round(x), 0, depth.shape[1] - 1)
    return depth.take(rows, axis=0).take(columns, axis=1)


def _smooth(values: Floats) -> Floats:
    padded = np.pad(values, 1, mode="edge")
    across = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    return as_floats((across[:-2] + 2 * across[1:-1] + across[2:]) / 16)


def _spread(values: Floats, shape: tuple[int, int]) -> Floats:
    return np.repeat(np.repeat(values, _GRID, axis=0), _GRID, axis=1)[: shape[0], : shape[1]]

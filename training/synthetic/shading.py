"""From what is nearest in each pixel to linear light: colour, lights, and the shade of parts on each other."""

from collections.abc import Sequence

import numpy as np

from training.synthetic.raster import Samples
from training.synthetic.surface import Floats, Texture, as_floats
from training.synthetic.view import Light

# The shade is worked out once for so many pixels across and down.
_GRID = 5


def _linear_of_srgb() -> Floats:
    value = np.arange(256) / 255.0
    return as_floats(np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4))


_LINEAR = _linear_of_srgb()


def shade(
    samples: Samples, textures: Sequence[Texture], light: Light, supersampling: float, person_pixels: float
) -> tuple[Floats, Floats]:
    """Linear colour [h, w, 3], not premultiplied, and coverage [h, w], smaller by `supersampling` than the samples."""
    sunlit, open_sky = _occlusion(samples, light, person_pixels)
    direct = samples.direct * sunlit.take(samples.pixel)
    ambient = samples.ambient * open_sky.take(samples.pixel)
    palette = np.concatenate([texture.pixels.reshape(-1, 3) for texture in textures])
    albedo = _LINEAR.take(palette.take(samples.texel, axis=0))
    seen = np.ones((len(direct), 4), np.float32)
    for channel in range(3):
        seen[:, channel] = albedo[:, channel] * (direct * light.direct[channel] + ambient * light.ambient[channel])
    full = np.zeros((samples.shape[0] * samples.shape[1], 4), np.float32)
    full[samples.pixel] = seen
    return _reduced(full.reshape(*samples.shape, 4), supersampling)


def _reduced(full: Floats, supersampling: float) -> tuple[Floats, Floats]:
    """Means of the samples [h, w, 4] that fall into each pixel; these need not be equally many."""
    rows, columns = (
        np.ceil(np.arange(int(extent / supersampling)) * supersampling).astype(np.intp) for extent in full.shape[:2]
    )
    total = np.add.reduceat(np.add.reduceat(full, rows, axis=0), columns, axis=1)
    counts = np.diff(rows, append=full.shape[0])[:, None] * np.diff(columns, append=full.shape[1])
    color = total[:, :, :3] / np.maximum(total[:, :, 3:], 1.0)
    return as_floats(color), as_floats(total[:, :, 3] / counts)


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

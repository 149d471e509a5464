import numpy as np
import pytest

from training.synthetic.fabric import TILE_HEIGHT, TILE_WIDTH, Fabric, Pattern, fabric_tile


@pytest.mark.parametrize("pattern", list(Pattern))
def test_tiles_have_the_size_and_about_the_colours_of_the_fabric(pattern: Pattern) -> None:
    fabric = Fabric(pattern, main=(40, 40, 40), second=(200, 200, 200), period=16, duty=0.4, seed=1)
    pixels = np.asarray(fabric_tile(fabric), np.float64)
    assert pixels.shape == (TILE_HEIGHT, TILE_WIDTH, 3)
    bright = (pixels.mean(axis=2) > 120).mean()
    assert bright == 0 if pattern is Pattern.PLAIN else 0.02 < bright < 0.9


def test_horizontal_stripes_repeat_down_and_not_across() -> None:
    fabric = Fabric(Pattern.HORIZONTAL_STRIPES, (0, 0, 0), (250, 250, 250), period=20, duty=0.5, seed=1)
    rows = np.asarray(fabric_tile(fabric), np.float64).mean(axis=(1, 2))
    assert rows[5] > 200
    assert rows[15] < 50
    assert abs(rows[5] - rows[25]) < 5

import numpy as np

from training.synthetic.figures.creases import CREASE_KINDS, TILE, crease_slopes


def test_creases_are_slopes_of_tiles_that_repeat_without_a_seam() -> None:
    across, down = (slopes.reshape(CREASE_KINDS, TILE, TILE) for slopes in crease_slopes())
    # Root mean square over each tile.
    np.testing.assert_allclose(np.sqrt((across**2 + down**2).mean(axis=(1, 2))), 0.5, rtol=1e-4)
    # Slopes of heights that come back to where they began: going around a tile they add up to nothing.
    np.testing.assert_allclose(across.sum(axis=2), 0, atol=1e-3)
    np.testing.assert_allclose(down.sum(axis=1), 0, atol=1e-3)
    # And of one height: across then down is down then across.
    twist = np.roll(across, -1, 1) - np.roll(across, 1, 1) - np.roll(down, -1, 2) + np.roll(down, 1, 2)
    np.testing.assert_allclose(twist, 0, atol=1e-4)
    assert len({tile.tobytes() for tile in across}) == CREASE_KINDS

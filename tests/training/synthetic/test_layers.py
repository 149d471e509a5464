import numpy as np

from training.synthetic.layers import (
    Layer,
    blurred_by_motion,
    cast_shadow,
    clipped,
    contact_shadow,
    hidden_share,
    paste,
)


def block(left: int, top: int, height: int = 20, width: int = 4) -> Layer:
    return Layer(np.ones((height, width, 3), np.float32), np.ones((height, width), np.float32), left, top)


def test_paste_covers_and_clips() -> None:
    canvas = np.zeros((30, 20, 3), np.float32)
    for layer in (block(-2, 25), block(18, -10), block(50, 50)):
        paste(canvas, layer)
    covered = canvas[:, :, 0] == 1
    expected = np.zeros((30, 20), bool)
    expected[25:, :2] = expected[:10, 18:] = True
    np.testing.assert_array_equal(covered, expected)


def test_hidden_share() -> None:
    assert hidden_share(block(10, 0), block(10, 10)) == 0.5
    assert hidden_share(block(10, 0), block(14, 0)) == 0.0


def test_clipped_is_what_is_in_the_picture() -> None:
    inside = clipped(block(-2, 25), (20, 30))
    assert (inside.left, inside.top, inside.alpha.shape) == (0, 25, (5, 2))
    assert clipped(block(50, 50), (20, 30)).alpha.size == 0


def test_motion_keeps_the_light_and_spreads_it() -> None:
    moved = blurred_by_motion(block(8, 0), 3)
    assert moved.alpha.sum() == np.float32(80)
    assert moved.alpha.shape[1] == 6
    np.testing.assert_allclose(moved.color[moved.alpha > 0], 1.0, rtol=1e-5)


def test_a_shadow_falls_to_its_tip_from_the_foot() -> None:
    shadow = cast_shadow(block(18, 10), foot=(20, 30), head=(20, 10), tip=(40, 40), size=(60, 60))
    rows, columns = np.nonzero(shadow > 0.5)
    assert 28 <= rows.min() <= 32
    assert 36 <= rows.max() <= 41
    assert columns[rows == rows.max()].mean() > 34
    assert shadow[12:26].max() < 0.1


def test_the_contact_shadow_is_darkest_at_the_foot() -> None:
    shadow = contact_shadow((12.0, 30.0), 40.0, (24, 40))
    assert np.unravel_index(shadow.argmax(), shadow.shape) == (30, 12)
    assert shadow[0].max() < 1e-3

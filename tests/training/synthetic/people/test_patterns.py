import numpy as np
import pytest

from training.synthetic.float_arrays import as_floats
from training.synthetic.people.patterns import Fabric, Pattern, plain, weave

PLACES = as_floats(np.linspace(0.0, 0.4, 200))


def fabric(pattern: Pattern) -> Fabric:
    return Fabric(pattern, (40.0, 40.0, 40.0), (200.0, 200.0, 200.0), (40.0, 40.0, 40.0), 0.04, 0.4, 2.0, 1)


@pytest.mark.parametrize("pattern", list(Pattern))
def test_fabrics_have_about_their_colours(pattern: Pattern) -> None:
    pixels = weave(fabric(pattern), PLACES, PLACES)
    assert pixels.shape == (200, 200, 3)
    assert pixels.dtype == np.float32
    bright = float((pixels.mean(axis=2) > 120).mean())
    assert bright == 0 if pattern is Pattern.PLAIN else 0.01 < bright < 0.95
    assert pixels.min() > 20
    assert pixels.max() < 220


def test_horizontal_stripes_repeat_down_and_not_across() -> None:
    rows = weave(fabric(Pattern.HORIZONTAL_STRIPES), as_floats([0.005, 0.03, 0.045]), PLACES).mean(axis=(1, 2))
    assert rows[0] > 180
    assert rows[1] < 60
    assert abs(rows[0] - rows[2]) < 5


def test_threads_are_fixed_to_the_fabric() -> None:
    np.testing.assert_array_equal(
        weave(plain((90.0, 90.0, 90.0), 7), PLACES, PLACES), weave(plain((90.0, 90.0, 90.0), 7), PLACES, PLACES)
    )
    assert not np.array_equal(
        weave(plain((90.0, 90.0, 90.0), 7), PLACES, PLACES), weave(plain((90.0, 90.0, 90.0), 8), PLACES, PLACES)
    )

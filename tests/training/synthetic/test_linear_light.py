import numpy as np

from training.synthetic.linear_light import to_codes, to_linear


def test_codes_by_hand() -> None:
    # IEC 61966-2-1: a straight line up to code 10, a power above; code 188 is half the light.
    light = to_linear(np.array([0, 10, 188, 255], np.uint8))
    np.testing.assert_allclose(light, [0.0, 10 / 255 / 12.92, 0.5029, 1.0], atol=1e-4)


def test_every_code_comes_back_and_more_than_white_is_white() -> None:
    codes = np.arange(256, dtype=np.uint8).reshape(2, 128)
    np.testing.assert_array_equal(to_codes(to_linear(codes)), codes)
    np.testing.assert_array_equal(to_codes(np.array([-1.0, 7.0], np.float32)), [0, 255])

from io import BytesIO

import numpy as np
from PIL import Image

from training.synthetic.cameras.compression import Compression, compress, sample_compression

PLAIN = Compression(shrinkage=1.0, interlace_pixels=0, first_quality=0, quality=95, subsampling=0)


def picture() -> Image.Image:
    pixels = np.zeros((128, 32, 3), np.uint8)
    pixels[:, 16:] = (220, 120, 60)
    return Image.fromarray(pixels)


def decoded(compression: Compression) -> np.ndarray:
    with Image.open(BytesIO(compress(picture(), compression))) as image:
        return np.asarray(image, np.int64)


def test_the_size_stays_whatever_is_done() -> None:
    for seed in range(30):
        assert decoded(sample_compression(np.random.default_rng(seed))).shape == (128, 32, 3)


def test_each_step_leaves_its_trace() -> None:
    sharp = np.abs(np.diff(decoded(PLAIN)[..., 0], axis=1)).max()
    small = Compression(0.4, 0, 0, 95, 0)
    assert np.abs(np.diff(decoded(small)[..., 0], axis=1)).max() < 0.7 * sharp
    odd, even = (decoded(Compression(1.0, 3, 0, 95, 0))[start::2, 17].mean() for start in (1, 0))
    assert odd < 0.5 * even
    error = [
        np.abs(decoded(each) - np.asarray(picture(), np.int64)).mean()
        for each in (PLAIN, Compression(1.0, 0, 30, 95, 2))
    ]
    assert error[1] > 2 * error[0]

"""How a picture is sent and kept: small, interlaced, as JPEG, sometimes as JPEG twice."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

# Of fewer, nobody could tell who is seen: they would only teach to guess.
_FEWEST_ROWS = 48


@dataclass(frozen=True, slots=True)
class Compression:
    """One camera's.

    Attributes:
        shrinkage: 1 for none; 0.5 sends a picture of half the size, which is enlarged again.
        interlace_pixels: how far the odd rows of a crop of 200 pixels lag behind; 0 for none.
        first_quality: of the recorder's JPEG; 0 for none.
        quality: of the file's JPEG, 30 to 95.
        subsampling: of the colours as Pillow numbers it: 0 none, 2 a quarter.
    """

    shrinkage: float
    interlace_pixels: int
    first_quality: int
    quality: int
    subsampling: int


def sample_compression(random: np.random.Generator) -> Compression:
    """Draw a camera's compression."""
    return Compression(
        shrinkage=float(random.uniform(0.4, 0.8)) if random.random() < 0.25 else 1.0,
        interlace_pixels=int(random.integers(1, 3)) if random.random() < 0.04 else 0,
        first_quality=int(random.integers(30, 85)) if random.random() < 0.45 else 0,
        quality=int(random.integers(40, 96)),
        subsampling=2 if random.random() < 0.75 else 0,
    )


def compress(image: Image.Image, compression: Compression) -> bytes:
    """The picture as the JPEG file that the camera's recorder keeps."""
    size = image.size
    if compression.interlace_pixels:
        image = _interlaced(image, max(1, round(compression.interlace_pixels * size[1] / 200)))
    shrinkage = max(compression.shrinkage, _FEWEST_ROWS / size[1])
    if shrinkage < 1:
        small = (max(12, round(size[0] * shrinkage)), round(size[1] * shrinkage))
        image = image.resize(small, Image.Resampling.BOX)
    if compression.first_quality:
        with Image.open(BytesIO(_jpeg(image, compression.first_quality, compression.subsampling))) as recorded:
            image = recorded.convert("RGB")
    if image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    return _jpeg(image, compression.quality, compression.subsampling)


def _jpeg(image: Image.Image, quality: int, subsampling: int) -> bytes:
    stream = BytesIO()
    image.save(stream, format="JPEG", quality=quality, subsampling=subsampling)
    return stream.getvalue()


def _interlaced(image: Image.Image, lag: int) -> Image.Image:
    pixels = np.array(image)
    pixels[1::2, lag:] = pixels[1::2, :-lag]
    return Image.fromarray(pixels)

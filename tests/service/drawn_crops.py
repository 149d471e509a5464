"""Crops for tests: random colour patches, different for each seed, the same for the same one."""

from io import BytesIO

import numpy as np
from PIL import Image


def draw_crop(seed: int, width: int = 40, height: int = 80) -> Image.Image:
    generator = np.random.default_rng(seed)
    patches = generator.integers(0, 256, (8, 4, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((width, height), Image.Resampling.NEAREST)


def encode(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def crop_file(seed: int, width: int = 40, height: int = 80) -> bytes:
    return encode(draw_crop(seed, width, height))

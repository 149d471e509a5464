from io import BytesIO

import numpy as np
import torch
from PIL import Image

from training.augmentation.jpeg import compress


def test_the_losses_are_those_of_a_jpeg() -> None:
    """Against libjpeg itself, without its halved colours; it rounds colours and pixels to whole numbers besides."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (9, 6, 3), dtype=np.uint8)
    picture = Image.fromarray(small).resize((52, 75), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float()
    for quality in (20, 50, 90):
        file = BytesIO()
        picture.save(file, "JPEG", quality=quality, subsampling=0)
        with Image.open(file) as opened:
            expected = torch.from_numpy(np.array(opened)).permute(2, 0, 1)[None].float()
        found = compress(pixels, torch.tensor([float(quality)]))
        lost = (expected - pixels).abs().mean()
        assert (found - expected).abs().mean() < 0.25 * lost + 0.6, quality


def test_each_crop_has_its_own_quality() -> None:
    crops = (torch.rand(2, 3, 16, 8, generator=torch.Generator().manual_seed(1)) * 255).repeat(2, 1, 1, 1)
    worse, better = compress(crops, torch.tensor([10.0, 10.0, 95.0, 95.0])).split(2)
    assert (worse - crops[:2]).abs().mean() > 3 * (better - crops[:2]).abs().mean()

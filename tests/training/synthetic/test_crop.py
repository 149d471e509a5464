from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import Image

from training.synthetic.crop import render_crop, render_fresh_crop
from training.synthetic.shot import CropPlan

PLAN = CropPlan(
    seed=5, person=1, camera=2, track=0, moment=0, azimuth=0.4, place=0.3, aside_meters=0.0, companions=(2,),
    timestamp_seconds=4000.0,
)  # fmt: skip


def pixels(content: bytes) -> np.ndarray:
    with Image.open(BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def test_the_same_plan_gives_the_same_bytes() -> None:
    assert render_crop(PLAN) == render_crop(PLAN)
    assert render_crop(PLAN) != render_crop(replace(PLAN, moment=1))


def test_fresh_crops_follow_their_generator_and_never_repeat() -> None:
    first, again = (render_fresh_crop(7, 3, 1, np.random.default_rng(11)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    random = np.random.default_rng(12)
    crops = [render_fresh_crop(7, 3, 1, random) for _ in range(25)]
    assert len({crop.tobytes() for crop in crops}) == 25
    for crop in crops:
        assert crop.dtype == np.uint8
        assert crop.shape[2] == 3
        assert crop.flags.c_contiguous
        assert 20 <= crop.shape[0] <= 340
        assert 0.25 < crop.shape[1] / crop.shape[0] < 0.65


def test_cameras_give_the_same_person_other_colors() -> None:
    def mean_color(camera: int) -> np.ndarray:
        random = np.random.default_rng(camera)
        crops = [render_fresh_crop(9, 4, camera, random) for _ in range(4)]
        # The middle of the crop is mostly the person.
        middles = [
            crop[crop.shape[0] // 4 : -crop.shape[0] // 4, crop.shape[1] // 3 : -crop.shape[1] // 3] for crop in crops
        ]
        return np.mean([middle.mean(axis=(0, 1)) for middle in middles], axis=0)

    colors = np.array([mean_color(camera) for camera in range(8)])
    brightness, warmth = colors.mean(axis=1), colors[:, 0] / colors[:, 2]
    assert brightness.max() > 1.6 * brightness.min()
    assert warmth.max() > 1.25 * warmth.min()

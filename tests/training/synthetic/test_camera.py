from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import Image

from training.synthetic.camera import CameraLook, photograph, sample_camera_look

NEUTRAL = CameraLook(
    gain=1.0, gamma=1.0, contrast=1.0, saturation=1.0, cast=(1.0, 1.0, 1.0), haze=0.0, blur=0.0, noise=0.0,
    jpeg_quality=95, drift=0.0, drift_seconds=600.0, light_from_left=0.0, walk_yaw=0.0, tilt=0.0, roll=0.0,
    crop_height=160.0,
)  # fmt: skip


def take(look: CameraLook, seconds: float = 0.0) -> np.ndarray:
    scene = Image.new("RGB", (40, 80), (120, 100, 80))
    data = photograph(scene, look, seconds, np.random.default_rng(0))
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image, np.float64).mean(axis=(0, 1))


def test_a_neutral_camera_changes_nothing() -> None:
    np.testing.assert_allclose(take(NEUTRAL), (120, 100, 80), atol=2)


def test_gain_cast_and_haze_do_what_they_say() -> None:
    np.testing.assert_allclose(take(replace(NEUTRAL, gain=0.5)), (60, 50, 40), atol=2)
    np.testing.assert_allclose(take(replace(NEUTRAL, cast=(1.5, 1.0, 0.5))), (180, 100, 40), atol=2)
    np.testing.assert_allclose(take(replace(NEUTRAL, haze=51.0)), (147, 131, 115), atol=2)


def test_the_light_wanders_with_the_time_of_day() -> None:
    look = replace(NEUTRAL, drift=0.2)
    morning, noon = take(look, 0.0), take(look, 150.0)
    assert noon.mean() > morning.mean() * 1.1


def test_noise_is_reproducible_and_cameras_differ() -> None:
    looks = [sample_camera_look(np.random.default_rng(seed)) for seed in range(20)]
    assert len({look.gain for look in looks}) == 20
    np.testing.assert_array_equal(take(looks[0]), take(looks[0]))

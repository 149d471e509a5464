from dataclasses import replace

import numpy as np

from training.synthetic.cameras.sensor import Sensor, develop, sample_sensor

NEUTRAL = Sensor(
    glare=0.0, defocus=0.0, exposure=1.0, adaptation=1.0, white_balance=(1.0, 1.0, 1.0),
    crosstalk=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), saturation=1.0, follows_color=1.0,
    shot_noise=0.0, read_noise=0.0, color_noise=0.0, gamma=1.0, contrast=0.0, black=0.0,
    sharpening=0.0, sharpening_radius=1.0,
)  # fmt: skip
WHITE = np.ones(3, np.float32)


def take(sensor: Sensor, scene_light: np.ndarray = WHITE, is_infrared: bool = False) -> np.ndarray:
    reflectance = np.empty((160, 20, 3), np.float32)
    reflectance[:, :10], reflectance[:, 10:] = (0.4, 0.2, 0.1), (0.05, 0.1, 0.2)
    image = develop(reflectance * scene_light, sensor, scene_light, is_infrared, np.random.default_rng(0))
    return np.asarray(image, np.float64)


def test_a_neutral_sensor_only_encodes() -> None:
    # sRGB of 0.75 x (0.4, 0.2, 0.1).
    np.testing.assert_allclose(take(NEUTRAL)[5, 5], (149, 108, 78), atol=1.5)


def test_automatic_exposure_and_white_balance_follow_the_light() -> None:
    dim_and_red = np.asarray((0.6, 0.3, 0.15), np.float32)
    np.testing.assert_allclose(take(NEUTRAL, dim_and_red), take(NEUTRAL), atol=2)
    assert take(replace(NEUTRAL, follows_color=0.0), dim_and_red)[5, 5, 0] > take(NEUTRAL)[5, 5, 0] + 20


def test_each_error_does_what_it_says() -> None:
    plain = take(NEUTRAL)
    assert take(replace(NEUTRAL, exposure=0.5)).mean() < 0.8 * plain.mean()
    warm = take(replace(NEUTRAL, white_balance=(1.3, 1.0, 0.7)))
    assert warm[..., 0].mean() > plain[..., 0].mean() + 5
    assert warm[..., 2].mean() < plain[..., 2].mean() - 5
    grey = take(replace(NEUTRAL, saturation=0.0))
    np.testing.assert_allclose(grey.max(axis=2), grey.min(axis=2), atol=1)
    np.testing.assert_array_equal(take(NEUTRAL, is_infrared=True)[..., 0], take(NEUTRAL, is_infrared=True)[..., 2])
    glaring, contrasty = take(replace(NEUTRAL, glare=0.3)), take(replace(NEUTRAL, contrast=0.7))
    assert glaring.std() < plain.std() < contrasty.std()
    assert take(replace(NEUTRAL, black=0.1)).min() > plain.min() + 10
    edge = np.abs(np.diff(plain, axis=1)).max()
    assert np.abs(np.diff(take(replace(NEUTRAL, defocus=1.5)), axis=1)).max() < 0.6 * edge
    assert take(replace(NEUTRAL, sharpening=1.5)).max() > plain.max() + 5


def test_noise_grows_when_little_light_is_amplified() -> None:
    noisy = replace(NEUTRAL, shot_noise=0.05, read_noise=0.01, color_noise=0.02)
    bright = take(noisy)[:, :8].std(axis=(0, 1)).mean()
    dark = take(noisy, np.float32(0.1) * WHITE)[:, :8].std(axis=(0, 1)).mean()
    assert dark > 1.3 * bright > 1.3


def test_sensors_differ() -> None:
    means = [take(sample_sensor(np.random.default_rng(seed))).mean(axis=(0, 1)) for seed in range(40)]
    brightness, warmth = np.sum(means, axis=1), [mean[0] / mean[2] for mean in means]
    assert np.quantile(brightness, 0.9) > 1.3 * np.quantile(brightness, 0.1)
    assert np.quantile(warmth, 0.9) > 1.3 * np.quantile(warmth, 0.1)

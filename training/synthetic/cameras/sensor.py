"""What a camera's lens, sensor and picture processing do to the light, in the order in which they do it."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from training.synthetic.float_arrays import Floats
from training.synthetic.random_streams import Stream, random_stream

_LUMINANCE = np.asarray((0.2126, 0.7152, 0.0722), np.float32)
_TONE_STEPS = 2048
# Noise is cut from a fixed picture of it: drawing fresh normals would take longer than all the rest.
_GRAIN_SIDE = 768
_USUAL_ROWS = 160


@dataclass(frozen=True, slots=True)
class Sensor:
    """One camera's rendering of light.

    Attributes:
        glare: share of the light that the lens spreads over the whole picture.
        defocus: standard deviation of its blur, in pixels of a crop of 160 rows.
        exposure: how bright the picture comes out, 1.0 is right.
        adaptation: how far automatic exposure follows the light, 0 not at all to 1 wholly.
        white_balance: factors on red, green and blue: the error of its white balance.
        crosstalk: [3][3], how its colour filters mix the colours; rows add up to 1.
        saturation: 0 grey, 1 as it is.
        follows_color: how far automatic white balance takes away the colour of the light, 0 to 1.
        shot_noise, read_noise: standard deviations at full light and in the dark.
        color_noise: that of slow colour blotches.
        gamma, contrast, black: of the tone curve: gamma 1 is sRGB's own; contrast of an S about the middle; black is
            added to the darkest, of 1.
        sharpening: strength of an unsharp mask; 0 for none.
        sharpening_radius: in pixels.
    """

    glare: float
    defocus: float
    exposure: float
    adaptation: float
    white_balance: tuple[float, float, float]
    crosstalk: tuple[tuple[float, float, float], ...]
    saturation: float
    follows_color: float
    shot_noise: float
    read_noise: float
    color_noise: float
    gamma: float
    contrast: float
    black: float
    sharpening: float
    sharpening_radius: float


def sample_sensor(random: np.random.Generator) -> Sensor:
    """Draw a sensor. Cameras of one network differ as much as makes differ: some are good, some worse than today's."""
    # With every error at its worst in every camera, nobody at all could be told by colours (a histogram found 5 of 100
    # people again in another camera; in photographs of a thousand, 9 %): a part of the cameras is good.
    severity = random.uniform(0.1, 1.1)
    warmth, green = severity * random.normal(-0.03, 0.20), severity * random.normal(0, 0.07)
    mixing = np.eye(3) + severity * random.normal(0, 0.06, (3, 3))
    mixing /= mixing.sum(axis=1, keepdims=True)
    noise = float(np.exp(random.normal(-1.2, 0.6)) * (0.4 + severity))
    kind = random.random()
    return Sensor(
        glare=float(random.beta(1.0, 9.0) * 0.6 * severity),
        defocus=float(max(0.0, random.normal(0.3, 0.5) * (0.3 + severity))),
        exposure=float(np.exp2(random.normal(0.12, 0.5 * severity))),
        adaptation=float(random.uniform(0.6, 1.0)),
        white_balance=(float(np.exp(warmth)), float(np.exp(green)), float(np.exp(-warmth * random.uniform(0.7, 1.5)))),
        crosstalk=tuple((float(row[0]), float(row[1]), float(row[2])) for row in mixing),
        saturation=float(random.uniform(0.05, 0.35) if kind < 0.05 else 0.95 + severity * random.uniform(-0.5, 0.4)),
        follows_color=float(1 - severity * random.uniform(0.0, 0.65)),
        shot_noise=0.030 * noise,
        read_noise=0.006 * noise,
        color_noise=0.020 * noise * float(random.uniform(0, 1.5)),
        gamma=float(1 + severity * random.uniform(-0.22, 0.25)),
        contrast=float(0.25 + severity * random.uniform(-0.5, 0.6)),
        black=float(max(0.0, random.normal(0.01, 0.035) * severity)),
        sharpening=float(random.uniform(0.2, 1.4)) if random.random() < 0.5 else 0.0,
        sharpening_radius=float(random.uniform(0.7, 2.2)),
    )


def develop(
    light: Floats, sensor: Sensor, scene_light: Floats, is_infrared: bool, random: np.random.Generator
) -> Image.Image:
    """Turn light into the picture that the camera's chip gives out, before compression.

    Args:
        light: [h, w, 3] linear.
        sensor: the camera's.
        scene_light: [3] the light that falls on the scene, for automatic exposure and white balance.
        is_infrared: the picture has no colours.
        random: of the noise.
    """
    light = _blurred(light, sensor.defocus * min(1.5, light.shape[0] / _USUAL_ROWS))
    light = light * np.float32(1 - sensor.glare) + np.float32(sensor.glare) * light.mean(axis=(0, 1))
    matrix, gain = _color_matrix(sensor, scene_light, is_infrared)
    # As one long list of pixels, or numpy would multiply row by row.
    light = (light.reshape(-1, 3) @ matrix.T).reshape(light.shape)
    _add_noise(light, sensor, gain, is_infrared, random)
    light *= _TONE_STEPS
    np.clip(light, 0, _TONE_STEPS - 1, out=light)
    image = Image.fromarray(_tone_table(sensor).take(light.astype(np.int32)))
    if sensor.sharpening > 0:
        # An unsharp mask with a box, which is much quicker than Pillow's own with a Gaussian.
        image = Image.blend(image.filter(ImageFilter.BoxBlur(sensor.sharpening_radius)), image, 1 + sensor.sharpening)
    return image


def _color_matrix(sensor: Sensor, scene_light: Floats, is_infrared: bool) -> tuple[Floats, float]:
    """Exposure, white balance, filters and saturation as one matrix, and the exposure's gain."""
    level = float(scene_light @ _LUMINANCE)
    # A middle grey in full light comes out at 0.6 of white.
    gain = 0.75 * sensor.exposure / max(level, 0.02) ** sensor.adaptation
    if is_infrared:
        return gain * np.tile(np.asarray((0.45, 0.35, 0.20), np.float32), (3, 1)), gain
    balance = np.asarray(sensor.white_balance) * (level / np.maximum(scene_light, 0.02)) ** sensor.follows_color
    mixing = np.asarray(sensor.crosstalk) @ np.diag(balance)
    grey = np.tile(_LUMINANCE, (3, 1))
    # The cast comes after the grey: nearly grey cameras have a cast too.
    saturating = sensor.saturation * np.eye(3) + (1 - sensor.saturation) * grey
    return (gain * (saturating @ mixing)).astype(np.float32), gain


def _add_noise(light: Floats, sensor: Sensor, gain: float, is_infrared: bool, random: np.random.Generator) -> None:
    """Shot and read noise of every pixel and slow colour blotches, as demosaicking leaves them; in place."""
    height, width = light.shape[:2]
    # Little light is amplified, and its noise with it.
    strength = max(1.0, gain) ** 0.5
    np.maximum(light, 0, out=light)
    deviation = np.sqrt(
        light * np.float32((sensor.shot_noise * strength) ** 2) + np.float32((sensor.read_noise * strength) ** 2)
    )
    grain = _cut(_grain(), height, width, random)
    light += deviation * (grain[:, :, :1] if is_infrared else grain)
    if sensor.color_noise > 0.004 and not is_infrared:
        light += (
            _cut(_blotches(), height, width, random)
            * deviation
            * np.float32(sensor.color_noise / max(sensor.shot_noise, 1e-6))
        )


def _cut(bank: Floats, height: int, width: int, random: np.random.Generator) -> Floats:
    top, left = int(random.integers(_GRAIN_SIDE - height + 1)), int(random.integers(_GRAIN_SIDE - width + 1))
    cut = bank[top : top + height, left : left + width]
    return cut[:, ::-1] if random.random() < 0.5 else cut


@lru_cache(maxsize=1)
def _grain() -> Floats:
    """Normal noise, partly shared by the three colours, [_GRAIN_SIDE, _GRAIN_SIDE, 3]."""
    random = random_stream(0, Stream.GRAIN, 0)
    own = random.standard_normal((_GRAIN_SIDE, _GRAIN_SIDE, 3), np.float32)
    shared = random.standard_normal((_GRAIN_SIDE, _GRAIN_SIDE, 1), np.float32)
    # A colour of a pixel is partly its neighbours': two neighbours in a row are averaged.
    own = (own + np.roll(own, 1, axis=1)) * np.float32(0.7)
    return own * np.float32(0.7) + shared * np.float32(0.7)


@lru_cache(maxsize=1)
def _blotches() -> Floats:
    """Normal noise of about four pixels' size, [_GRAIN_SIDE, _GRAIN_SIDE, 3]."""
    side = _GRAIN_SIDE // 4
    coarse = random_stream(0, Stream.GRAIN, 1).standard_normal((side, side, 3), np.float32)
    channels = [
        np.asarray(Image.fromarray(coarse[:, :, channel]).resize((_GRAIN_SIDE, _GRAIN_SIDE), Image.Resampling.BICUBIC))
        for channel in range(3)
    ]
    return np.stack(channels, axis=2).astype(np.float32)


@lru_cache(maxsize=4096)
def _tone_table(sensor: Sensor) -> npt.NDArray[np.uint8]:
    """Codes of _TONE_STEPS equal steps of linear light."""
    linear = (np.arange(_TONE_STEPS) + 0.5) / _TONE_STEPS
    codes = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) ** sensor.gamma
    curved = codes + sensor.contrast * (codes * codes * (3 - 2 * codes) - codes)
    shown = sensor.black + (1 - sensor.black) * np.clip(curved, 0, 1)
    return np.round(shown * 255).astype(np.uint8)


def _blurred(light: Floats, deviation: float) -> Floats:
    """A Gaussian blur of up to two pixels, by its nearest five taps in each direction."""
    if deviation < 0.2:
        return light
    taps = np.exp(-(np.arange(3) ** 2) / (2 * deviation**2)).astype(np.float32)
    taps /= taps[0] + 2 * taps[1] + 2 * taps[2]
    for axis in (0, 1):
        light = _blurred_along(light, taps, axis)
    return light


def _blurred_along(light: Floats, taps: Floats, axis: int) -> Floats:
    padding = [(0, 0)] * 3
    padding[axis] = (2, 2)
    padded = np.pad(light, padding, mode="edge")
    length = light.shape[axis]
    parts = [padded[shift : shift + length] if axis == 0 else padded[:, shift : shift + length] for shift in range(5)]
    blurred: Floats = parts[2] * taps[0] + (parts[1] + parts[3]) * taps[1]
    if taps[2] > 0.01:
        blurred += (parts[0] + parts[4]) * taps[2]
    return blurred

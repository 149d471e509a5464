"""What a camera does to what it sees: light, colour, sharpness, noise, compression, and from where it looks."""

from dataclasses import dataclass
from io import BytesIO
from math import pi, sin

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter


@dataclass(frozen=True, slots=True)
class CameraLook:
    """One camera.

    Attributes:
        gain, gamma, contrast, saturation: 1.0 leaves the picture as it is.
        cast: factors on red, green and blue: the error of its white balance.
        haze: grey added to the dark parts, of 255.
        blur: standard deviation in pixels of the crop.
        noise: standard deviation, of 255.
        drift: how far gain and cast wander over `drift_seconds`, as the light of the day does.
        walk_yaw: the direction of its path (see `Pose.yaw`); people walk it both ways.
        tilt, roll: see `View`; roll is what the edge of a wide picture adds at most.
        crop_height: a person's usual height in pixels.
    """

    gain: float
    gamma: float
    contrast: float
    saturation: float
    cast: tuple[float, float, float]
    haze: float
    blur: float
    noise: float
    jpeg_quality: int
    drift: float
    drift_seconds: float
    light_from_left: float
    walk_yaw: float
    tilt: float
    roll: float
    crop_height: float


def sample_camera_look(random: np.random.Generator) -> CameraLook:
    """Draw a camera."""
    warmth, tint = random.normal(0.0, 0.10), random.normal(0.0, 0.04)
    return CameraLook(
        gain=float(random.uniform(0.6, 1.3)),
        gamma=float(random.uniform(0.75, 1.35)),
        contrast=float(random.uniform(0.7, 1.15)),
        saturation=float(random.uniform(0.55, 1.2)),
        cast=(float(1 + warmth), float(1 + tint), float(1 - warmth)),
        haze=float(random.uniform(0, 35)),
        blur=float(random.uniform(0.0, 1.1)),
        noise=float(random.uniform(1.0, 7.0)),
        jpeg_quality=int(random.integers(45, 93)),
        drift=float(random.uniform(0.0, 0.12)),
        drift_seconds=float(random.uniform(300, 3000)),
        light_from_left=float(random.uniform(-0.35, 0.35)),
        walk_yaw=float(random.uniform(-pi, pi)),
        tilt=float(random.uniform(0.0, 0.40)),
        roll=float(random.uniform(0.0, 0.12)),
        crop_height=float(random.uniform(110, 230)),
    )


def photograph(scene: Image.Image, look: CameraLook, timestamp_seconds: float, random: np.random.Generator) -> bytes:
    """Turn a clean RGB picture of a crop into the JPEG file that the camera would send."""
    if look.blur > 0.15:
        scene = scene.filter(ImageFilter.GaussianBlur(look.blur))
    pixels = _expose(np.asarray(scene, dtype=np.float32) / 255.0, look, timestamp_seconds)
    pixels += random.normal(0.0, look.noise / 255, pixels.shape).astype(np.float32)
    image = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    stream = BytesIO()
    image.save(stream, format="JPEG", quality=look.jpeg_quality)
    return stream.getvalue()


def _expose(pixels: npt.NDArray[np.float32], look: CameraLook, timestamp_seconds: float) -> npt.NDArray[np.float32]:
    wander = look.drift * sin(2 * pi * timestamp_seconds / look.drift_seconds)
    cast = np.asarray(look.cast, np.float32) * np.asarray((1 + wander / 2, 1.0, 1 - wander / 2), np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * look.saturation
    pixels = np.clip(pixels * cast * (look.gain * (1 + wander)), 0, 1) ** look.gamma
    pixels = 0.5 + (pixels - 0.5) * look.contrast
    return (pixels * (1 - look.haze / 255) + look.haze / 255).astype(np.float32)

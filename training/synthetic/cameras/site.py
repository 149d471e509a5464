"""One camera of a network with all that belongs to it: place, light, sensor, recorder, and what stands in its view."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from training.synthetic.cameras.camera import Camera, sample_camera
from training.synthetic.cameras.compression import Compression, sample_compression
from training.synthetic.cameras.illumination import Illumination, sample_illumination
from training.synthetic.cameras.scene import Scene, draw_scene
from training.synthetic.cameras.sensor import Sensor, sample_sensor
from training.synthetic.cameras.things import THINGS_OF, Thing
from training.synthetic.random_streams import Stream, random_stream


@dataclass(frozen=True, slots=True)
class Site:
    """One camera of a network.

    Attributes:
        occluders: the kinds of things that stand between it and people.
        occlusion_share, crowd_share: how often a thing, or a stranger, is before or beside somebody.
        dapple_share: how often parts of a person are in different light.
        softness: how much its depth of field blurs the background, see `Scene.window`.
        motion_pixels: how far a person who crosses the picture smears, in pixels of a crop of 200; 0 by day mostly.
    """

    camera: Camera
    illumination: Illumination
    sensor: Sensor
    compression: Compression
    occluders: tuple[Thing, ...]
    occlusion_share: float
    crowd_share: float
    dapple_share: float
    softness: float
    motion_pixels: float


@lru_cache(maxsize=4096)
def network_site(seed: int, camera: int) -> Site:
    """A numbered camera of a network."""
    random = random_stream(seed, Stream.CAMERA, camera)
    illumination = sample_illumination(random)
    kinds = [kind for kind in THINGS_OF[illumination.setting] if kind is not Thing.SOMEBODY]
    return Site(
        camera=sample_camera(random),
        illumination=illumination,
        sensor=sample_sensor(random),
        compression=sample_compression(random),
        occluders=tuple(kinds[int(index)] for index in random.integers(len(kinds), size=3)),
        occlusion_share=float(random.beta(1.0, 7.0)),
        crowd_share=float(random.beta(1.0, 3.0)),
        dapple_share=float(random.beta(1.0, 5.0)),
        softness=float(random.uniform(1.0, 2.5)),
        motion_pixels=float(max(0.0, random.normal(1.0, 2.0))),
    )


# A scene takes 1.6 MB and a seventh of a second.
@lru_cache(maxsize=256)
def network_scene(seed: int, camera: int) -> Scene:
    """The empty view of a numbered camera of a network."""
    site = network_site(seed, camera)
    return draw_scene(random_stream(seed, Stream.SCENE, camera), site.camera, site.illumination.setting)


def scene_light(site: Site, timestamp_seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """The light [3] that the camera's automatic exposure and white balance see."""
    light = site.illumination.at(site.camera.ground_point(0.5, 0.0), timestamp_seconds)
    seen: np.ndarray[tuple[int], np.dtype[np.float32]] = (light.ambient + 0.55 * light.direct).astype(np.float32)
    return seen * np.float32(1 + 0.5 * site.illumination.backlight)

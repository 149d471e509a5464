"""What every part of a crop is drawn with: its plan, its camera, and the people that are asked for."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from training.synthetic.cameras.camera import GroundPoint
from training.synthetic.cameras.scene import Scene
from training.synthetic.cameras.site import Site
from training.synthetic.figures.figure import Figure, render_figure
from training.synthetic.figures.view import Light, View
from training.synthetic.float_arrays import Floats
from training.synthetic.layers import PixelPoint
from training.synthetic.people.appearance import PersonAppearance, sample_appearance
from training.synthetic.people.pose import sample_pose
from training.synthetic.random_streams import Stream, random_stream

# Networks are trained on 256 x 128 or less: more pixels would only cost time.
TALLEST_PIXELS, SMALLEST_PIXELS = 224, 48


@dataclass(frozen=True, slots=True)
class CropPlan:
    """All that decides one crop, besides the random numbers of its moment.

    Attributes:
        seed: of the network.
        person, camera: their numbers in the network.
        track: a number of the person's walk past the camera: decides the detector's habits.
        moment: which crop of that walk.
        azimuth: where the person faces, radians from away to the right in the world axes of the camera.
        place, aside_meters: where on the camera's path, see `Camera.ground_point`.
        companions: numbers of those who walk along.
        timestamp_seconds: Unix time; decides the light.
    """

    seed: int
    person: int
    camera: int
    track: int
    moment: int
    azimuth: float
    place: float
    aside_meters: float
    companions: tuple[int, ...]
    timestamp_seconds: float


class Window(NamedTuple):
    """Which part of the camera's frame the crop shows.

    Attributes:
        left, top: its corner, in pixels of the frame.
        scale: pixels of the crop for one of the frame.
        size: width and height of the crop in pixels.
    """

    left: float
    top: float
    scale: float
    size: tuple[int, int]

    def pixel(self, x: float, y: float) -> PixelPoint:
        """Where a pixel of the frame is in the crop."""
        return (x - self.left) * self.scale, (y - self.top) * self.scale


class Shot(NamedTuple):
    """What every part of a crop is drawn with."""

    plan: CropPlan
    site: Site
    scene: Scene
    random: np.random.Generator


@lru_cache(maxsize=8192)
def person_appearance(seed: int, person: int) -> PersonAppearance:
    """The look of a numbered person of a network."""
    return sample_appearance(random_stream(seed, Stream.PERSON, person))


def usual_height(site: Site, point: GroundPoint) -> int:
    """How tall a person is at that point, in pixels of the crop."""
    middle = site.camera.project(site.camera.ground_point(0.5, 0.0))
    usual = site.camera.person_pixels * site.camera.project(point).pixels_per_meter / middle.pixels_per_meter
    return round(float(np.clip(usual, SMALLEST_PIXELS, TALLEST_PIXELS)))


def draw_figure(shot: Shot, person: int, point: GroundPoint, height: int) -> Figure:
    """A numbered person of the network at a point, so many pixels tall, in the light of the moment."""
    camera = shot.site.camera
    light = shot.site.illumination.at(point, shot.plan.timestamp_seconds)
    red, green, blue = (float(channel) for channel in light.direct * shot.scene.sunlit(camera.project(point)))
    sky_red, sky_green, sky_blue = (float(channel) for channel in light.ambient)
    view = View(
        yaw=camera.yaw(point, shot.plan.azimuth + float(shot.random.normal(0, 0.25))),
        elevation=camera.elevation(point),
        distance=camera.distance(point),
        roll=camera.lean(point),
        height_pixels=height,
    )
    lit = Light(camera.axes(point, light.direction), (red, green, blue), (sky_red, sky_green, sky_blue))
    return render_figure(person_appearance(shot.plan.seed, person), sample_pose(shot.random), view, lit)


def uneven(random: np.random.Generator, size: tuple[int, ...], darkest: float) -> Floats:
    """A slowly changing factor around 1, [h, w, 1]."""
    rows, columns = int(random.integers(2, 7)), int(random.integers(2, 4))
    coarse = random.uniform(255 * darkest, 255, (rows, columns)).astype(np.uint8)
    shade = np.asarray(Image.fromarray(coarse).resize((size[1], size[0]), Image.Resampling.BICUBIC))
    return (shade * np.float32(1 / (127 * (1 + darkest))))[:, :, None]

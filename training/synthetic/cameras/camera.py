"""A camera with a place in the world: how high it hangs, where it looks, and the path that people take past it.

World axes, metres, with the camera above the origin: x right, y up, z away from the camera along the ground.
"""

from dataclasses import dataclass
from math import atan2, cos, hypot, pi, sin, tan
from typing import NamedTuple

import numpy as np

from training.synthetic.float_arrays import Floats

PERSON_METERS = 1.7
# The picture that scenes are drawn in. Crops of more than about 300 pixels would show that it is no larger.
FRAME_WIDTH, FRAME_HEIGHT = 800, 500


class GroundPoint(NamedTuple):
    """A place on the ground, metres."""

    x: float
    z: float


class FramePoint(NamedTuple):
    """A place in the frame, in pixels from its upper left corner, and how many pixels a metre takes there."""

    x: float
    y: float
    pixels_per_meter: float


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera.

    Attributes:
        height_meters: above the ground.
        pitch: downwards, radians.
        roll: of its mounting, radians.
        focal_pixels: focal length in pixels of the frame.
        barrel: radial distortion of the lens, negative for a barrel.
        path_start, path_end: the path that people take; they walk it both ways.
        crossing_share: how many cross the path instead of walking it.
        person_pixels: how tall people are in the middle of the path in the files that the camera sends; 48 to 400.
    """

    height_meters: float
    pitch: float
    roll: float
    focal_pixels: float
    barrel: float
    path_start: GroundPoint
    path_end: GroundPoint
    crossing_share: float
    person_pixels: float

    def ground_point(self, place: float, aside_meters: float) -> GroundPoint:
        """The point at a share `place` of the path, so many metres to its right."""
        dx, dz = self.path_end.x - self.path_start.x, self.path_end.z - self.path_start.z
        length = max(hypot(dx, dz), 1e-6)
        x = self.path_start.x + place * dx + aside_meters * dz / length
        return GroundPoint(x, self.path_start.z + place * dz - aside_meters * dx / length)

    def path_azimuth(self) -> float:
        """Direction from the start of the path to its end: radians from away to the right."""
        return atan2(self.path_end.x - self.path_start.x, self.path_end.z - self.path_start.z)

    def project(self, point: GroundPoint, height_meters: float = 0.0) -> FramePoint:
        """Where a point so high above the ground is in the frame, without the distortion of the lens.

        What is nearer than 0.3 m along the line of sight, or behind the camera, is taken to be 0.3 m before it, so that
        it falls far outside the frame instead of turned about into it.
        """
        up = height_meters - self.height_meters
        depth = max(point.z * cos(self.pitch) - up * sin(self.pitch), 0.3)
        right, down = point.x, -(up * cos(self.pitch) + point.z * sin(self.pitch))
        scale = self.focal_pixels / depth
        turned_x = right * cos(self.roll) - down * sin(self.roll)
        turned_y = right * sin(self.roll) + down * cos(self.roll)
        return FramePoint(FRAME_WIDTH / 2 + scale * turned_x, FRAME_HEIGHT / 2 + scale * turned_y, scale)

    def rays(self) -> Floats:
        """Directions of the pixels, row after row, in world axes, [FRAME_HEIGHT * FRAME_WIDTH, 3]; not of length 1.

        The inverse of `project`, but for the lens, whose distortion only what is drawn along rays shows.
        """
        across = (np.arange(FRAME_WIDTH, dtype=np.float32) - FRAME_WIDTH / 2) / self.focal_pixels
        down = (np.arange(FRAME_HEIGHT, dtype=np.float32) - FRAME_HEIGHT / 2) / self.focal_pixels
        u, v = np.meshgrid(across, down)
        radial = 1 - self.barrel * (u * u + v * v)
        u, v = u * radial, v * radial
        u, v = u * cos(self.roll) + v * sin(self.roll), v * cos(self.roll) - u * sin(self.roll)
        up = -v * cos(self.pitch) - sin(self.pitch)
        away = -v * sin(self.pitch) + cos(self.pitch)
        return np.stack((u, up, away), axis=2).reshape(-1, 3).astype(np.float32)

    def lean(self, point: GroundPoint) -> float:
        """How far somebody who stands upright there leans in the picture: radians, positive to the right."""
        foot, head = self.project(point), self.project(point, PERSON_METERS)
        return atan2(head.x - foot.x, foot.y - head.y)

    def elevation(self, point: GroundPoint) -> float:
        """Angle of the camera above the horizontal as seen from a person's middle, radians, 0 to 0.95."""
        return float(np.clip(atan2(self.height_meters - PERSON_METERS / 2, hypot(*point)), 0.0, 0.95))

    def distance(self, point: GroundPoint) -> float:
        """From the camera to a person's middle in body heights, 1.5 to 20."""
        meters = hypot(hypot(*point), self.height_meters - PERSON_METERS / 2)
        return float(np.clip(meters / PERSON_METERS, 1.5, 20.0))

    def yaw(self, point: GroundPoint, azimuth: float) -> float:
        """How the camera sees somebody who faces an azimuth: see `View.yaw`."""
        sight = atan2(point.x, point.z)
        return atan2(sin(azimuth - sight), -cos(azimuth - sight))

    def axes(self, point: GroundPoint, direction: tuple[float, float, float]) -> tuple[float, float, float]:
        """A direction of the world in the axes of somebody who looks at that point: see `Light.direction`."""
        sight, elevation = atan2(point.x, point.z), self.elevation(point)
        right = direction[0] * cos(sight) - direction[2] * sin(sight)
        away = direction[0] * sin(sight) + direction[2] * cos(sight)
        up = direction[1]
        return (
            right,
            up * cos(elevation) + away * sin(elevation),
            up * sin(elevation) - away * cos(elevation),
        )


def sample_camera(random: np.random.Generator) -> Camera:
    """Draw a camera. Most hang two to five metres high, a few at eye level, a few very high."""
    field_of_view = random.uniform(0.35, 1.15)
    focal = FRAME_HEIGHT / (2 * tan(field_of_view / 2))
    elevation = abs(random.normal(0.0, 0.33)) if random.random() < 0.9 else random.uniform(0.5, 0.9)
    share = random.uniform(0.22, 0.55)
    distance = float(np.clip(PERSON_METERS * focal / (share * FRAME_HEIGHT), 2.8, 30.0))
    elevation = min(elevation, 0.9, 8.0 / distance)
    z = distance * cos(elevation)
    aside = random.normal(0, 0.06) * z
    azimuth = random.uniform(-pi, pi)
    # Along the line of sight people come nearer and go away: half the way there, a quarter aside.
    reach = z * (0.12 + 0.16 * abs(cos(azimuth)))
    return Camera(
        height_meters=float(max(0.6, PERSON_METERS / 2 + distance * sin(elevation) + random.normal(0, 0.15))),
        pitch=float(elevation + random.normal(0, 0.12) * field_of_view),
        roll=float(random.normal(0, 0.025)),
        focal_pixels=float(focal),
        barrel=float(-random.uniform(0.0, 0.12)),
        path_start=GroundPoint(float(aside - reach * sin(azimuth)), float(z - reach * cos(azimuth))),
        path_end=GroundPoint(float(aside + reach * sin(azimuth)), float(z + reach * cos(azimuth))),
        crossing_share=float(random.uniform(0.0, 0.5)),
        person_pixels=float(np.exp(random.uniform(np.log(56), np.log(400)))),
    )

"""How a camera sees somebody and which light falls on them: what the network of cameras asks of a figure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class View:
    """How a camera sees somebody who stands on the ground.

    Attributes:
        yaw: where the person faces, radians: 0 to the camera, pi/2 to the right of the image, pi away from it.
        elevation: angle of the camera above the horizontal, radians, 0 (eye level) to about 0.9 (high).
        distance: from the camera to the person's middle in body heights, 1.5 (strong perspective) to 20.
        roll: of the image, radians.
        height_pixels: of the person, head to feet, in the returned figure before any supersampling.
    """

    yaw: float
    elevation: float
    distance: float
    roll: float
    height_pixels: int


@dataclass(frozen=True, slots=True)
class Light:
    """The light at one place.

    Attributes:
        direction: unit vector towards the main light, in camera axes: x right, y up, z towards the camera.
        direct: linear RGB of the main light, about 0.2 to 1.5.
        ambient: linear RGB of the sky or of the fill light, about 0.2 to 1.0.
    """

    direction: tuple[float, float, float]
    direct: tuple[float, float, float]
    ambient: tuple[float, float, float]

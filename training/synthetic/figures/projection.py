"""From body coordinates to a camera's axes and to pixels."""

from dataclasses import dataclass
from math import cos, sin

from training.synthetic.figures.view import View
from training.synthetic.float_arrays import Floats, as_floats

_MIDDLE = as_floats((0.0, 0.5, 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """A perspective camera that looks at the middle of a person.

    Attributes:
        to_camera: [3, 3], from body coordinates to the camera's axes: x right, y up, z towards the camera.
        distance: to the middle of the person, body heights.
        focal_pixels: pixels of a body height at that distance.
        cosine, sine: of the roll.
    """

    to_camera: Floats
    distance: float
    focal_pixels: float
    cosine: float
    sine: float

    def camera_points(self, points: Floats) -> Floats:
        """Points [..., 3] in camera axes."""
        return as_floats((points - _MIDDLE) @ self.to_camera)

    def pixels(self, camera_points: Floats) -> tuple[Floats, Floats]:
        """Columns and rows, from the middle of the person, of points [..., 3] in camera axes."""
        scale = (self.focal_pixels * self.distance) / (self.distance - camera_points[..., 2])
        x, y = camera_points[..., 0] * scale, -camera_points[..., 1] * scale
        return as_floats(x * self.cosine - y * self.sine), as_floats(x * self.sine + y * self.cosine)


def project(view: View, supersampling: float) -> Projection:
    """The projection under which a person of height 1 is `view.height_pixels * supersampling` tall."""
    left, forward = (cos(view.yaw), 0.0, -sin(view.yaw)), (sin(view.yaw), 0.0, cos(view.yaw))
    cosine, sine = cos(view.elevation), sin(view.elevation)
    raise_camera = as_floats(((1.0, 0.0, 0.0), (0.0, cosine, sine), (0.0, -sine, cosine)))
    to_camera = as_floats((left, (0.0, 1.0, 0.0), forward)) @ raise_camera
    upright = Projection(to_camera, view.distance, 1.0, 1.0, 0.0)
    _, rows = upright.pixels(upright.camera_points(as_floats(((0.0, 1.0, 0.0), (0.0, 0.0, 0.0)))))
    focal = view.height_pixels * supersampling / float(rows[1] - rows[0])
    return Projection(to_camera, view.distance, focal, cos(view.roll), sin(view.roll))

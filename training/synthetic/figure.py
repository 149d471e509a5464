"""Draws a whole person: parts in the order in which they cover each other."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from training.synthetic.accessories import draw_backpack, draw_bag_in_hand, draw_shoulder_bag
from training.synthetic.appearance import PersonAppearance
from training.synthetic.canvas import CANVAS_HEIGHT, CANVAS_WIDTH, PERSON_PIXELS, TOP_MARGIN, Canvas
from training.synthetic.garments import draw_arm, draw_leg, draw_skirt, draw_torso
from training.synthetic.head import draw_head
from training.synthetic.linear_light import to_linear
from training.synthetic.pose import BodyView, Pose, Skeleton, build_skeleton
from training.synthetic.view import Light, View


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn person.

    Attributes:
        color: [h, w, 3] float32, linear light (may exceed 1), not premultiplied.
        alpha: [h, w] float32, coverage 0 to 1.
        foot: pixel (x, y) where the person stands.
    """

    color: npt.NDArray[np.float32]
    alpha: npt.NDArray[np.float32]
    foot: tuple[float, float]


def render_figure(appearance: PersonAppearance, pose: Pose, view: View, light: Light) -> Figure:
    """Draw a person in a pose, seen by a camera in a light."""
    canvas = draw_person(appearance, replace(pose, yaw=view.yaw), view.elevation * 0.45, view.roll)
    scale = view.height_pixels / PERSON_PIXELS
    size = (max(8, round(CANVAS_WIDTH * scale)), max(16, round(CANVAS_HEIGHT * scale)))
    mask = np.asarray(canvas.mask.resize(size, Image.Resampling.BOX)) * np.float32(1 / 255)
    edge = canvas.mask.resize((CANVAS_WIDTH // 4, CANVAS_HEIGHT // 4)).filter(ImageFilter.GaussianBlur(2.5))
    depth = np.asarray(edge.resize(size, Image.Resampling.BILINEAR), np.float32) / 255
    slope = np.gradient(depth, axis=1) * size[0] / 12
    lambert = np.clip(0.55 * light.direction[2] * depth - light.direction[0] * slope + 0.3 * light.direction[1], 0, 1.2)
    shine = lambert[:, :, None] * np.asarray(light.direct, np.float32)
    albedo = to_linear(np.asarray(canvas.image.resize(size, Image.Resampling.BOX)))
    color = albedo * (shine + np.asarray(light.ambient, np.float32) * (0.6 + 0.4 * depth[:, :, None]))
    return Figure(color.astype(np.float32), mask, (size[0] / 2, (TOP_MARGIN + PERSON_PIXELS) * scale))


def draw_person(appearance: PersonAppearance, pose: Pose, tilt: float, roll: float) -> Canvas:
    """Draw a person in a pose, seen by a camera with a tilt and a roll (see `BodyView`)."""
    view = BodyView(yaw=pose.yaw, tilt=tilt, roll=roll)
    canvas = Canvas(view)
    skeleton = build_skeleton(appearance.body, pose)
    back_is_near = view.depth((0.0, 0.0, -1.0)) > 0
    if not back_is_near:
        draw_backpack(canvas, appearance)
    _draw_arms(canvas, appearance, skeleton, are_near=False)
    _draw_legs(canvas, appearance, skeleton)
    draw_skirt(canvas, appearance, skeleton)
    draw_torso(canvas, appearance)
    if back_is_near:
        draw_backpack(canvas, appearance)
    else:
        draw_head(canvas, appearance)
    _draw_arms(canvas, appearance, skeleton, are_near=True)
    draw_shoulder_bag(canvas, appearance)
    draw_bag_in_hand(canvas, appearance, skeleton.arms[0 if appearance.bag_on_left else 1])
    if back_is_near:
        draw_head(canvas, appearance)
    return canvas


def _draw_arms(canvas: Canvas, appearance: PersonAppearance, skeleton: Skeleton, *, are_near: bool) -> None:
    """Those arms that are before the body, or those behind it."""
    for arm in skeleton.arms:
        if (canvas.view.depth(arm[1]) >= 0) == are_near:
            draw_arm(canvas, appearance, arm, brightness=0.96 if are_near else 0.88)


def _draw_legs(canvas: Canvas, appearance: PersonAppearance, skeleton: Skeleton) -> None:
    """The farther leg first, and darker."""
    far, near = sorted(skeleton.legs, key=lambda leg: canvas.view.depth(leg[1]))
    draw_leg(canvas, appearance, far, brightness=0.86)
    draw_leg(canvas, appearance, near, brightness=1.0)

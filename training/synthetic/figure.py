"""Draws a whole person: parts in the order in which they cover each other."""

from training.synthetic.accessories import draw_backpack, draw_bag_in_hand, draw_shoulder_bag
from training.synthetic.appearance import PersonAppearance
from training.synthetic.canvas import Canvas
from training.synthetic.garments import draw_arm, draw_leg, draw_skirt, draw_torso
from training.synthetic.head import draw_head
from training.synthetic.pose import Pose, Skeleton, View, build_skeleton


def draw_person(appearance: PersonAppearance, pose: Pose, tilt: float, roll: float) -> Canvas:
    """Draw a person in a pose, seen by a camera with a tilt and a roll (see `View`)."""
    view = View(yaw=pose.yaw, tilt=tilt, roll=roll)
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

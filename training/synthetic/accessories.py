"""Draws what people carry."""

from math import cos, sin

from training.synthetic.appearance import BagKind, PersonAppearance
from training.synthetic.canvas import PERSON_PIXELS, Canvas
from training.synthetic.garments import half_width
from training.synthetic.pose import Limb, Point


def draw_backpack(canvas: Canvas, appearance: PersonAppearance) -> None:
    """A backpack, if there is one; to be drawn before the torso if the person faces the camera, else after it."""
    if appearance.bag_kind is not BagKind.BACKPACK:
        return
    size = appearance.bag_size
    top, bottom, behind = 0.195, 0.195 + 0.20 * size, -0.105
    reach = half_width(canvas, 0.075 * size, 0.050 * size)
    outline = []
    for y, side in ((top, -0.8), (top, 0.8), (bottom, 1.0), (bottom, -1.0)):
        x, row = canvas.pixel((0.0, y, behind))
        outline.append((x + side * reach * PERSON_PIXELS * canvas.view.scale(y), row))
    canvas.polygon(outline, appearance.bag)
    pocket = canvas.pixel((0.0, bottom - 0.06 * size, behind - 0.02))
    canvas.ellipse(pocket, reach * 0.7 * PERSON_PIXELS, 0.04 * size * PERSON_PIXELS, appearance.bag, 0.75)


def draw_shoulder_bag(canvas: Canvas, appearance: PersonAppearance) -> None:
    """A bag at the hip, if there is one, unless the body hides it, and its strap across the torso."""
    if appearance.bag_kind is not BagKind.SHOULDER_BAG:
        return
    side = 1.0 if appearance.bag_on_left else -1.0
    at: Point = (side * 0.115 * appearance.body.width, 0.50, 0.02)
    facing = 1.0 if cos(canvas.view.yaw) > 0 else -1.0
    strap: Point = (-side * 0.07, 0.185, 0.06 * facing)
    canvas.limb(strap, (at[0] * 0.8, 0.44, 0.07 * facing), (0.008, 0.008), appearance.bag, 0.85)
    if canvas.view.depth(at) > -0.07:
        _draw_bag_body(canvas, appearance, at, 0.055 * appearance.bag_size, 0.07 * appearance.bag_size)


def draw_bag_in_hand(canvas: Canvas, appearance: PersonAppearance, arm: Limb) -> None:
    """A bag that hangs from a hand, if there is one and the body does not hide it."""
    wrist = arm[2]
    if appearance.bag_kind is not BagKind.HANDBAG or canvas.view.depth(wrist) < -0.09:
        return
    hand: Point = (wrist[0], wrist[1] + 0.02, wrist[2])
    below: Point = (wrist[0], wrist[1] + 0.10, wrist[2])
    canvas.limb(hand, below, (0.006, 0.006), appearance.bag, 0.8)
    _draw_bag_body(canvas, appearance, below, 0.06 * appearance.bag_size, 0.09 * appearance.bag_size)


def _draw_bag_body(canvas: Canvas, appearance: PersonAppearance, top: Point, half: float, height: float) -> None:
    # Bags hang along the walk: seen from the side they are widest.
    reach = half * (0.45 + 0.55 * abs(sin(canvas.view.yaw))) * PERSON_PIXELS
    x, row = canvas.pixel(top)
    drop = height * PERSON_PIXELS
    canvas.polygon(
        [(x - 0.85 * reach, row), (x + 0.85 * reach, row), (x + reach, row + drop), (x - reach, row + drop)],
        appearance.bag,
    )

"""Draws torso, arms, legs and what covers them."""

from math import cos, hypot, sin

from training.synthetic.appearance import Logo, LowerKind, PersonAppearance, UpperKind
from training.synthetic.canvas import PERSON_PIXELS, Canvas, ImagePoint
from training.synthetic.pose import HIP_Y, Limb, Point, Skeleton

_LONG_SLEEVED = (UpperKind.LONG_SLEEVES, UpperKind.OPEN_JACKET, UpperKind.CLOSED_JACKET, UpperKind.COAT)
_JACKETS = (UpperKind.OPEN_JACKET, UpperKind.CLOSED_JACKET, UpperKind.COAT)
_SKIRTS = (LowerKind.SKIRT, LowerKind.LONG_SKIRT, LowerKind.DRESS)
# Half widths (shoulder to shoulder) and half depths (front to back) of an average torso, shares of the height.
_TORSO_RINGS = (
    (0.160, 0.030, 0.030), (0.180, 0.080, 0.045), (0.205, 0.118, 0.058), (0.270, 0.112, 0.070),
    (0.350, 0.098, 0.066), (0.420, 0.088, 0.064), (0.480, 0.094, 0.068), (0.540, 0.098, 0.072),
)  # fmt: skip


def half_width(canvas: Canvas, across: float, deep: float) -> float:
    """Half the width that an elliptic body ring shows at the view's yaw."""
    return hypot(across * cos(canvas.view.yaw), deep * sin(canvas.view.yaw))


def ring_outline(canvas: Canvas, rings: list[tuple[float, float, float]]) -> list[ImagePoint]:
    """Outline in pixels of elliptic rings (y, half width, half depth) stacked from top to bottom."""
    left: list[ImagePoint] = []
    right: list[ImagePoint] = []
    for y, across, deep in rings:
        x, row = canvas.pixel((0.0, y, 0.0))
        reach = half_width(canvas, across, deep) * canvas.view.scale(y) * PERSON_PIXELS
        left.append((x - reach, row))
        right.append((x + reach, row))
    return left + right[::-1]


def draw_torso(canvas: Canvas, appearance: PersonAppearance) -> None:
    """The upper garment with neck, open front and print."""
    canvas.limb((0.0, 0.13, 0.0), (0.0, 0.18, 0.0), (0.032, 0.036), appearance.skin, 0.85)
    thickness = 1.10 if appearance.upper_kind in _JACKETS else 1.0
    rings = _torso_rings(appearance, thickness, appearance.upper_hem)
    canvas.polygon(ring_outline(canvas, rings), appearance.upper)
    front = cos(canvas.view.yaw)
    if appearance.upper_kind is UpperKind.OPEN_JACKET and front > 0.1:
        _draw_front_panel(canvas, appearance)
    logo = appearance.front_logo if front > 0 else appearance.back_logo
    if logo is not None and abs(front) > 0.35 and not (front > 0 and appearance.upper_kind in _JACKETS):
        _draw_logo(canvas, appearance, logo)
    if appearance.has_scarf:
        canvas.ellipse(canvas.pixel((0.0, 0.165, 0.0)), 0.055 * PERSON_PIXELS, 0.022 * PERSON_PIXELS, appearance.scarf)


def _torso_rings(appearance: PersonAppearance, thickness: float, hem: float) -> list[tuple[float, float, float]]:
    body = appearance.body
    rings = []
    for y, across, deep in _TORSO_RINGS:
        share = max(0.0, (y - 0.2) / 0.3)
        width = (
            body.shoulder_width
            if y < 0.25
            else body.width * min(share, 1.0) + body.shoulder_width * max(1 - share, 0.0)
        )
        if y < hem:
            rings.append((y, across * width * thickness, deep * body.width * thickness))
    flare = 1.0 + max(0.0, hem - 0.54) * 0.9
    rings.append((hem, 0.098 * body.width * thickness * flare, 0.072 * body.width * thickness * flare))
    return rings


def _draw_front_panel(canvas: Canvas, appearance: PersonAppearance) -> None:
    width = 0.045 * appearance.body.width
    corners: list[Point] = [
        (-0.4 * width, 0.165, 0.05), (0.4 * width, 0.165, 0.05), (width, 0.35, 0.07), (0.9 * width, 0.52, 0.07),
        (-0.9 * width, 0.52, 0.07), (-width, 0.35, 0.07),
    ]  # fmt: skip
    canvas.polygon([canvas.pixel(corner) for corner in corners], appearance.inner)


def _draw_logo(canvas: Canvas, appearance: PersonAppearance, logo: Logo) -> None:
    side = 0.066 if cos(canvas.view.yaw) > 0 else -0.066
    half = logo.width * 0.09 * appearance.body.width
    if logo.is_round:
        centre = canvas.pixel((0.0, logo.top + half * 0.5, side))
        canvas.ellipse(centre, half * abs(cos(canvas.view.yaw)) * PERSON_PIXELS, half * PERSON_PIXELS, logo.fabric)
        return
    bottom = logo.top + logo.height
    corners: list[Point] = [
        (-half, logo.top, side),
        (half, logo.top, side),
        (half, bottom, side),
        (-half, bottom, side),
    ]
    canvas.polygon([canvas.pixel(corner) for corner in corners], logo.fabric)


def draw_arm(canvas: Canvas, appearance: PersonAppearance, arm: Limb, brightness: float) -> None:
    """One arm: hand, bare or covered forearm, sleeve."""
    shoulder, elbow, wrist = arm
    width = 0.7 + 0.3 * appearance.body.width
    is_covered = appearance.upper_kind in _LONG_SLEEVED
    thickness = 1.2 if appearance.upper_kind in _JACKETS else 1.05
    hand = tuple(w + 0.12 * (w - e) for e, w in zip(elbow, wrist, strict=True))
    canvas.limb(wrist, (hand[0], hand[1], hand[2]), (0.017, 0.016), appearance.skin, brightness)
    if is_covered:
        canvas.limb(elbow, wrist, (0.027 * width * thickness, 0.020 * thickness), appearance.upper, brightness * 0.97)
        canvas.limb(
            shoulder, elbow, (0.034 * width * thickness, 0.028 * width * thickness), appearance.upper, brightness
        )
        return
    canvas.limb(elbow, wrist, (0.022 * width, 0.016), appearance.skin, brightness)
    canvas.limb(shoulder, elbow, (0.028 * width, 0.023 * width), appearance.skin, brightness)
    sleeve_end = tuple(s + 0.62 * (e - s) for s, e in zip(shoulder, elbow, strict=True))
    canvas.limb(
        shoulder,
        (sleeve_end[0], sleeve_end[1], sleeve_end[2]),
        (0.034 * width, 0.033 * width),
        appearance.upper,
        brightness,
    )


def draw_leg(canvas: Canvas, appearance: PersonAppearance, leg: Limb, brightness: float) -> None:
    """One leg with its shoe."""
    hip, knee, ankle = leg
    width = 0.6 + 0.4 * appearance.body.width
    toe = (ankle[0] * 1.15, ankle[1] + 0.030, ankle[2] + 0.062)
    heel = (ankle[0], ankle[1] + 0.026, ankle[2] - 0.012)
    canvas.limb(
        (heel[0], heel[1] + 0.008, heel[2]),
        (toe[0], toe[1] + 0.008, toe[2]),
        (0.018, 0.014),
        appearance.sole,
        brightness,
    )
    canvas.limb(heel, toe, (0.021, 0.016), appearance.shoes, brightness)
    bare = appearance.legwear if appearance.lower_kind in _SKIRTS or appearance.lower_kind is LowerKind.SHORTS else None
    if bare is not None:
        canvas.limb(knee, ankle, (0.034 * width, 0.022), bare, brightness)
        canvas.limb(hip, knee, (0.050 * width, 0.035 * width), bare, brightness)
    if appearance.lower_kind in _SKIRTS:
        return
    thigh_end = knee
    if appearance.lower_kind is LowerKind.SHORTS:
        thigh_end = (knee[0], hip[1] + 0.85 * (knee[1] - hip[1]), hip[2] + 0.85 * (knee[2] - hip[2]))
    is_wide = appearance.lower_kind is not LowerKind.TROUSERS
    knee_radius = (0.050 if is_wide else 0.038) * width
    if bare is None:
        canvas.limb(knee, ankle, (knee_radius, 0.040 if is_wide else 0.026), appearance.lower, brightness)
    canvas.limb(hip, thigh_end, (0.056 * width, knee_radius), appearance.lower, brightness)


def draw_skirt(canvas: Canvas, appearance: PersonAppearance, skeleton: Skeleton) -> None:
    """Hips of trousers, or the whole skirt, which the stride spreads."""
    body = appearance.body
    hips = [(0.43, 0.086 * body.width, 0.062 * body.width), (HIP_Y, 0.096 * body.width, 0.070 * body.width)]
    if appearance.lower_kind not in _SKIRTS:
        hips.append((HIP_Y + 0.045, 0.090 * body.width, 0.062 * body.width))
        canvas.polygon(ring_outline(canvas, hips), appearance.lower)
        return
    stride = abs(skeleton.legs[0][1][2] - skeleton.legs[1][1][2]) / 2
    drop = appearance.skirt_hem - HIP_Y
    hips.append(
        (appearance.skirt_hem, (0.10 + 0.12 * drop) * body.width, (0.08 + 0.10 * drop) * body.width + stride * 0.6)
    )
    canvas.polygon(ring_outline(canvas, hips), appearance.lower)

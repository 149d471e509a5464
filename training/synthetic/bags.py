"""Bags and other things that are carried, as boxes that hang where they are worn."""

from math import cos, sin

import numpy as np

from training.synthetic.luggage import BagKind, Luggage
from training.synthetic.palette import shaded
from training.synthetic.patterns import plain, weave
from training.synthetic.pose import Gesture
from training.synthetic.skeleton import Skeleton, with_posture
from training.synthetic.surface import Floats, Surface, Texture, arc_length, as_floats, tube_along, upright_tube
from training.synthetic.trunk import section


def held_sides(luggage: Luggage) -> tuple[bool, bool]:
    """Which hands, left and right, hold something heavy."""
    is_held = luggage.kind in {BagKind.HANDBAG, BagKind.PLASTIC_BAG, BagKind.SUITCASE, BagKind.FOLDER}
    return is_held and luggage.is_left, is_held and not luggage.is_left


def bag_surfaces(skeleton: Skeleton, luggage: Luggage, clearance: float) -> list[Surface]:
    """What somebody carries; `clearance` is how far the clothes stand off the trunk."""
    surfaces = _phones(skeleton, luggage)
    side = 0 if luggage.is_left else 1
    sign = 1.0 if luggage.is_left else -1.0
    width, height, depth = luggage.size
    wrist = skeleton.arms[side, 2]
    match luggage.kind:
        case BagKind.NONE:
            return surfaces
        case BagKind.BACKPACK:
            _, half_depth, middle = section(skeleton.body, as_floats([0.72]))
            behind = float(middle[0] - half_depth[0, 0]) - clearance
            box = _box((0.0, 0.835 - height / 2, behind - depth * 0.42), luggage, (width, height, depth))
            surfaces.append(_worn(skeleton, box, bag_texture(luggage)))
        case BagKind.SHOULDER_BAG | BagKind.CROSS_BODY:
            half_width, _, _ = section(skeleton.body, as_floats([0.56]))
            out = float(half_width[0]) + clearance + depth * 0.35
            forward = -0.03 if luggage.kind is BagKind.SHOULDER_BAG else -0.015
            centre = (sign * out, (0.60 if luggage.kind is BagKind.SHOULDER_BAG else 0.555) - height / 2, forward)
            box = _box(centre, luggage, (depth, height, width))
            surfaces.append(_worn(skeleton, box, bag_texture(luggage)))
            if luggage.kind is BagKind.SHOULDER_BAG:
                for end in (-0.35, 0.35):
                    top = (sign * 0.085, 0.835, end * 0.07)
                    strap = _strap(top, (sign * out, centre[1] + height * 0.45, forward + end * width))
                    surfaces.append(_worn(skeleton, strap, _plain_texture(luggage)))
        case BagKind.HANDBAG | BagKind.PLASTIC_BAG:
            top = with_posture(wrist + as_floats([0, -0.055, 0.015]), skeleton.body, skeleton.pose)
            drop = 0.07 if luggage.kind is BagKind.HANDBAG else 0.05
            centre = (float(top[0]) + sign * 0.012, float(top[1]) - drop - height / 2, float(top[2]))
            surfaces.append(_loose(_box(centre, luggage, (depth, height, width)), bag_texture(luggage)))
            for end in (-0.25, 0.25):
                low = (centre[0], centre[1] + height * 0.47, centre[2] + end * width)
                surfaces.append(
                    _loose(_strap((float(top[0]), float(top[1]), float(top[2])), low), _plain_texture(luggage))
                )
        case BagKind.SUITCASE:
            hand = with_posture(wrist, skeleton.body, skeleton.pose)
            centre = (float(hand[0]) + sign * 0.05, height / 2 + 0.01, float(hand[2]) - 0.2)
            surfaces.append(_loose(_box(centre, luggage, (width, height, depth)), bag_texture(luggage)))
            grip = (float(hand[0]), float(hand[1]) - 0.05, float(hand[2]))
            surfaces.append(_loose(_strap(grip, (centre[0], height, centre[2])), _plain_texture(luggage)))
        case _:
            middle_arm = (skeleton.arms[side, 1] + wrist) / 2
            centre = (float(middle_arm[0]) - sign * 0.035, float(middle_arm[1]) - 0.01, float(middle_arm[2]) + 0.01)
            surfaces.append(_worn(skeleton, _box(centre, luggage, (depth, height, width)), bag_texture(luggage)))
    return surfaces


def bag_texture(luggage: Luggage) -> Texture:
    """A bag: fabric, a pocket on what faces away from the wearer of a backpack, a zip, a flap."""
    along, around = as_floats((np.arange(64) + 0.5) / 64), as_floats((np.arange(96) + 0.5) / 96)
    pixels = weave(luggage.fabric, along * luggage.size[1], around * 2 * (luggage.size[0] + luggage.size[2]))
    back = np.abs(np.abs(around - 0.5) - 0.5)
    pocket = np.ix_((along > 0.52) & (along < 0.92), back < 0.15)
    if luggage.kind is BagKind.BACKPACK:
        pixels[pocket] = luggage.second
        pixels[np.ix_(np.abs(along - 0.5) < 0.02, back < 0.16)] *= 0.5
        pixels[:, np.abs(back - 0.19) < 0.012] *= 0.55
    elif luggage.kind in {BagKind.SHOULDER_BAG, BagKind.CROSS_BODY, BagKind.HANDBAG}:
        pixels[along < 0.35] = as_floats(luggage.second)
        pixels[np.abs(along - 0.36) < 0.02] *= 0.6
    elif luggage.kind is BagKind.SUITCASE:
        pixels[:, (around * 24) % 1 < 0.25] *= 0.8
        pixels[along > 0.94] = 20.0
    gloss = 0.4 if luggage.roundness < 0.25 else 0.0
    return Texture(
        np.clip(pixels, 0, 255).astype(np.uint8), length=luggage.size[1], girth=0.4, crease=0.16,
        crease_seed=luggage.fabric.seed, gloss=gloss,
    )  # fmt: skip


def _plain_texture(luggage: Luggage) -> Texture:
    place = as_floats(np.linspace(0, 0.1, 8))
    return Texture(np.clip(weave(plain(luggage.strap), place, place), 0, 255).astype(np.uint8))


def _box(centre: tuple[float, float, float], luggage: Luggage, size: tuple[float, float, float]) -> Floats:
    """Points of a box with rounded edges; its size is given across (x), up (y) and forward (z)."""
    round_off = 0.25 + 0.4 * luggage.roundness
    share = as_floats([0, 0.55, 0.8, 0.93, 1, 1, 1, 0.95, 0.85, 0.6, 0])
    place = as_floats([0.5, 0.5, 0.49, 0.46, 0.38, 0.0, -0.3, -0.44, -0.48, -0.5, -0.5])
    widest = share**round_off
    middle = as_floats(np.broadcast_to((centre[0], centre[2]), (len(place), 2)))
    heights = as_floats(centre[1] + size[1] * place)
    return upright_tube(
        heights,
        widest * np.float32(size[0] / 2),
        widest * np.float32(size[2] / 2),
        middle,
        25,
        squareness=0.62 - 0.4 * luggage.roundness,
    )


def _strap(start: tuple[float, float, float], end: tuple[float, float, float]) -> Floats:
    share = np.linspace(0, 1, 5, dtype=np.float32)[:, None]
    spine = as_floats(start) * (1 - share) + as_floats(end) * share
    girth = as_floats([0.005] * 5)
    return tube_along(spine, girth, girth, 7)


def _phones(skeleton: Skeleton, luggage: Luggage) -> list[Surface]:
    surfaces = []
    held = held_sides(luggage)
    for side, gesture in enumerate(skeleton.pose.gestures):
        if gesture in {Gesture.PHONE_AT_EAR, Gesture.PHONE_IN_FRONT} and not held[side]:
            elbow, wrist = skeleton.arms[side, 1], skeleton.arms[side, 2]
            end = wrist + (wrist - elbow) / np.sqrt(((wrist - elbow) ** 2).sum()) * 0.06 + as_floats([0, 0.012, 0.008])
            texture = _plain_texture(luggage)
            texture.pixels[:] = np.asarray(luggage.phone).astype(np.uint8)
            points = _box((float(end[0]), float(end[1]), float(end[2])), luggage, (0.016, 0.08, 0.042))
            surfaces.append(_worn(skeleton, points, texture))
    return surfaces


def _worn(skeleton: Skeleton, points: Floats, texture: Texture) -> Surface:
    return _loose(with_posture(points, skeleton.body, skeleton.pose), texture)


def _loose(points: Floats, texture: Texture) -> Surface:
    return Surface(points, arc_length(points[:, 5]), texture)

"""Bags and other things that are carried, as boxes that hang where they are worn."""

from functools import lru_cache

import numpy as np

from training.synthetic.figures.skeleton import Skeleton, sink, with_posture
from training.synthetic.figures.surface import Surface, Texture, arc_length, tube_along, upright_tube
from training.synthetic.figures.trunk import section
from training.synthetic.float_arrays import Floats, as_floats
from training.synthetic.people.luggage import BagKind, Luggage
from training.synthetic.people.patterns import plain, weave
from training.synthetic.people.pose import Gesture


def held_sides(luggage: Luggage) -> tuple[bool, bool]:
    """Which hands, left and right, hold something heavy."""
    is_held = luggage.kind in {BagKind.HANDBAG, BagKind.PLASTIC_BAG, BagKind.SUITCASE, BagKind.FOLDER}
    return is_held and luggage.is_left, is_held and not luggage.is_left


def bag_surfaces(skeleton: Skeleton, luggage: Luggage, clearance: float) -> list[Surface]:
    """What somebody carries; `clearance` is how far the clothes stand off the trunk."""
    surfaces = _phones(skeleton, luggage)
    match luggage.kind:
        case BagKind.NONE:
            return surfaces
        case BagKind.BACKPACK:
            return [*surfaces, _backpack(skeleton, luggage, clearance)]
        case BagKind.SHOULDER_BAG | BagKind.CROSS_BODY:
            return surfaces + _at_hip(skeleton, luggage, clearance)
        case BagKind.FOLDER:
            return [*surfaces, _folder(skeleton, luggage)]
        case BagKind.SUITCASE:
            return surfaces + _suitcase(skeleton, luggage)
        case _:
            return surfaces + _in_hand(skeleton, luggage)


def _backpack(skeleton: Skeleton, luggage: Luggage, clearance: float) -> Surface:
    _, height, depth = luggage.size
    _, half_depth, middle = section(skeleton.body, as_floats([0.72]))
    behind = float(middle[0] - half_depth[0, 0]) - clearance
    box = _box((0.0, 0.835 - height / 2, behind - depth * 0.42), luggage, luggage.size)
    return _worn(skeleton, box, bag_texture(luggage))


def _at_hip(skeleton: Skeleton, luggage: Luggage, clearance: float) -> list[Surface]:
    width, height, depth = luggage.size
    is_on_shoulder = luggage.kind is BagKind.SHOULDER_BAG
    half_width, _, _ = section(skeleton.body, as_floats([0.56]))
    sign = 1.0 if luggage.is_left else -1.0
    x = sign * (float(half_width[0]) + clearance + depth * 0.35)
    y, z = (0.60 - height / 2, -0.03) if is_on_shoulder else (0.555 - height / 2, -0.015)
    surfaces = [_worn(skeleton, _box((x, y, z), luggage, (depth, height, width)), bag_texture(luggage))]
    # A cross-body bag's strap lies on the clothes: it is part of their texture.
    for end in (-0.35, 0.35) if is_on_shoulder else ():
        strap = _strap((sign * 0.085, 0.835, end * 0.07), (x, y + height * 0.45, z + end * width))
        surfaces.append(_worn(skeleton, strap, _plain_texture(luggage)))
    return surfaces


def _in_hand(skeleton: Skeleton, luggage: Luggage) -> list[Surface]:
    width, height, depth = luggage.size
    x, y, z = _hand(skeleton, luggage)
    middle = y - 0.055 - (0.07 if luggage.kind is BagKind.HANDBAG else 0.05) - height / 2
    x_bag = x + (0.012 if luggage.is_left else -0.012)
    surfaces = [_loose(_box((x_bag, middle, z), luggage, (depth, height, width)), bag_texture(luggage))]
    for end in (-0.25, 0.25):
        handle = _strap((x, y - 0.055, z), (x_bag, middle + height * 0.47, z + end * width))
        surfaces.append(_loose(handle, _plain_texture(luggage)))
    return surfaces


def _suitcase(skeleton: Skeleton, luggage: Luggage) -> list[Surface]:
    height = luggage.size[1]
    x, y, z = _hand(skeleton, luggage)
    x_bag, z_bag = x + (0.05 if luggage.is_left else -0.05), z - 0.2
    # The suitcase rolls on the ground, which is `sink` below the body's own zero.
    middle = sink(skeleton) + height / 2 + 0.01
    handle = _strap((x, y - 0.05, z), (x_bag, middle + height / 2, z_bag))
    box = _box((x_bag, middle, z_bag), luggage, luggage.size)
    return [_loose(box, bag_texture(luggage)), _loose(handle, _plain_texture(luggage))]


def _folder(skeleton: Skeleton, luggage: Luggage) -> Surface:
    width, height, depth = luggage.size
    side = 0 if luggage.is_left else 1
    x, y, z = (float(value) for value in (skeleton.arms[side, 1] + skeleton.arms[side, 2]) / 2)
    centre = (x + (-0.035 if luggage.is_left else 0.035), y - 0.01, z + 0.01)
    return _worn(skeleton, _box(centre, luggage, (depth, height, width)), bag_texture(luggage))


def _hand(skeleton: Skeleton, luggage: Luggage) -> tuple[float, float, float]:
    wrist = with_posture(skeleton.arms[0 if luggage.is_left else 1, 2], skeleton.body, skeleton.pose)
    return float(wrist[0]), float(wrist[1]), float(wrist[2])


@lru_cache(maxsize=128)
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
        columns=25,
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

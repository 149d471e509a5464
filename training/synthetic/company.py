"""Who and what else is in a crop: companions, strangers and things, behind the person or before."""

from math import atan2, cos, hypot, sin

import numpy as np
from PIL import Image, ImageDraw

from training.synthetic.bystanders import Standing, bystander_layer
from training.synthetic.cameras.camera import PERSON_METERS, FramePoint, GroundPoint
from training.synthetic.cameras.things import draw_thing
from training.synthetic.layers import Layer, figure_layer, image_layer
from training.synthetic.shot import (
    SMALLEST_PIXELS,
    TALLEST_PIXELS,
    Shot,
    Window,
    draw_figure,
    person_appearance,
    uneven,
)

# How often one of those who walk along is in the picture.
_COMPANION_SHARE = 0.35


def company(shot: Shot, window: Window, point: GroundPoint) -> tuple[list[Layer], list[Layer]]:
    """Others and things behind the person, and those before, each the far ones first."""
    random, site = shot.random, shot.site
    placed: list[tuple[float, Layer]] = []
    if shot.plan.companions and random.random() < _COMPANION_SHARE:
        place = _beside(point, shot.plan.azimuth, random)
        placed.append((_nearness(place), _companion(shot, window, place, int(random.choice(shot.plan.companions)))))
    if random.random() < site.crowd_share:
        place = _stranger_place(point, shot.plan.azimuth, random)
        placed.append((_nearness(place), _bystander(shot, window, place)))
    if random.random() < site.occlusion_share:
        place = _toward_camera(point, random.uniform(0.4, 1.3), 0.45, random)
        placed.append((_nearness(place), _thing(shot, window, place)))
    placed.sort(key=lambda each: each[0])
    own = _nearness(point)
    return [layer for near, layer in placed if near < own], [layer for near, layer in placed if near >= own]


def _companion(shot: Shot, window: Window, place: GroundPoint, member: int) -> Layer:
    share = person_appearance(shot.plan.seed, member).body.height / _own_height(shot)
    # Somebody who walks right before the camera would be drawn larger than the picture.
    height = float(np.clip(share * _pixels_of_the_person(shot, window, place), SMALLEST_PIXELS / 2, 2 * TALLEST_PIXELS))
    figure = draw_figure(shot, member, place, round(height))
    return figure_layer(figure, window.pixel(*shot.site.camera.project(place)[:2]))


def _bystander(shot: Shot, window: Window, place: GroundPoint) -> Layer:
    camera = shot.site.camera
    foot = camera.project(place)
    light = shot.site.illumination.at(place, shot.plan.timestamp_seconds)
    height = _pixels_of_the_person(shot, window, place) / _own_height(shot)
    ratio = light.ambient + 0.6 * light.direct * shot.scene.sunlit(foot)
    standing = Standing(window.pixel(foot.x, foot.y), height, camera.elevation(place), ratio)
    return bystander_layer(shot.plan.seed, standing, shot.random)


def _pixels_of_the_person(shot: Shot, window: Window, place: GroundPoint) -> float:
    """How tall the one whom the crop is of would be there: crops are scaled to them, whether they are tall or small."""
    foot, head = shot.site.camera.project(place), shot.site.camera.project(place, PERSON_METERS)
    return hypot(head.x - foot.x, head.y - foot.y) * window.scale


def _own_height(shot: Shot) -> float:
    return person_appearance(shot.plan.seed, shot.plan.person).body.height


def _thing(shot: Shot, window: Window, place: GroundPoint) -> Layer:
    camera, random = shot.site.camera, shot.random
    foot = camera.project(place)
    light = shot.site.illumination.at(place, shot.plan.timestamp_seconds)
    image = Image.new("RGBA", window.size)
    # From above, upright things are foreshortened and their depth shows: half of it each.
    meter = foot.pixels_per_meter * window.scale * cos(camera.elevation(place)) ** 0.5
    kind = shot.site.occluders[int(random.integers(len(shot.site.occluders)))]
    draw_thing(ImageDraw.Draw(image), kind, FramePoint(*window.pixel(foot.x, foot.y), meter), random)
    shading = uneven(random, (window.size[1], window.size[0]), 0.4)
    return image_layer(image, 0, 0, shading * (light.ambient + 0.6 * light.direct * shot.scene.sunlit(foot)))


def _beside(point: GroundPoint, azimuth: float, random: np.random.Generator) -> GroundPoint:
    """Where somebody who walks along is: an arm's length aside, half a step before or behind."""
    aside, along = random.choice((-1, 1)) * random.uniform(0.45, 0.9), random.normal(0, 0.3)
    return GroundPoint(
        float(point.x + aside * cos(azimuth) + along * sin(azimuth)),
        float(max(1.0, point.z - aside * sin(azimuth) + along * cos(azimuth))),
    )


def _stranger_place(point: GroundPoint, azimuth: float, random: np.random.Generator) -> GroundPoint:
    kind = random.random()
    if kind < 0.35:
        return _beside(point, azimuth, random)
    if kind < 0.6:
        return _toward_camera(point, random.uniform(0.5, 1.2), 0.6, random)
    return _toward_camera(point, -random.uniform(0.4, 5.0), 0.7, random)


def _toward_camera(point: GroundPoint, meters: float, spread: float, random: np.random.Generator) -> GroundPoint:
    """A point so much nearer to the camera, and a little aside."""
    sight, aside = atan2(point.x, point.z), random.normal(0, spread)
    return GroundPoint(
        float(point.x - meters * sin(sight) + aside * cos(sight)),
        float(max(0.8, point.z - meters * cos(sight) - aside * sin(sight))),
    )


def _nearness(place: GroundPoint) -> float:
    return -hypot(place.x, place.z)

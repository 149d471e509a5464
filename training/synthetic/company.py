"""Who and what else is in a crop: companions, strangers and things, behind the person or before."""

from math import atan2, cos, hypot, sin

import numpy as np
from PIL import Image, ImageDraw

from training.synthetic.bystanders import Standing, bystander_layer
from training.synthetic.camera import PERSON_METERS, GroundPoint, Projection
from training.synthetic.layers import Layer, figure_layer, image_layer
from training.synthetic.shot import Shot, Window, draw_figure, uneven, usual_height
from training.synthetic.things import draw_thing

# How often one of those who walk along is in the picture.
_COMPANION_SHARE = 0.35


def company(shot: Shot, window: Window, point: GroundPoint) -> tuple[list[Layer], list[Layer]]:
    """Others and things behind the person, and those before, each the far ones first."""
    random, site = shot.random, shot.site
    placed: list[tuple[float, Layer]] = []
    if shot.plan.companions and random.random() < _COMPANION_SHARE:
        place = _beside(point, shot.plan.azimuth, random)
        member = int(random.choice(shot.plan.companions))
        figure = draw_figure(shot, member, place, usual_height(site, place))
        placed.append((_nearness(place), figure_layer(figure, window.pixel(*site.camera.project(place)[:2]))))
    if random.random() < site.crowd_share:
        place = _stranger_place(point, shot.plan.azimuth, random)
        placed.append((_nearness(place), _bystander(shot, window, place)))
    if random.random() < site.occlusion_share:
        place = _toward_camera(point, random.uniform(0.4, 1.3), 0.45, random)
        placed.append((_nearness(place), _thing(shot, window, place)))
    placed.sort(key=lambda each: each[0])
    own = _nearness(point)
    return [layer for near, layer in placed if near < own], [layer for near, layer in placed if near >= own]


def _bystander(shot: Shot, window: Window, place: GroundPoint) -> Layer:
    camera = shot.site.camera
    foot, head = camera.project(place), camera.project(place, PERSON_METERS)
    light = shot.site.illumination.at(place, shot.plan.timestamp_seconds)
    height = hypot(head.x - foot.x, head.y - foot.y) * window.scale * shot.random.uniform(0.92, 1.06)
    ratio = light.ambient + 0.6 * light.direct * shot.scene.sunlit(foot)
    standing = Standing(window.pixel(foot.x, foot.y), height, camera.elevation(place), ratio)
    return bystander_layer(shot.plan.seed, standing, shot.random)


def _thing(shot: Shot, window: Window, place: GroundPoint) -> Layer:
    camera, random = shot.site.camera, shot.random
    foot = camera.project(place)
    light = shot.site.illumination.at(place, shot.plan.timestamp_seconds)
    image = Image.new("RGBA", window.size)
    # From above, upright things are foreshortened and their depth shows: half of it each.
    meter = foot.pixels_per_meter * window.scale * cos(camera.elevation(place)) ** 0.5
    kind = shot.site.occluders[int(random.integers(len(shot.site.occluders)))]
    draw_thing(ImageDraw.Draw(image), kind, Projection(*window.pixel(foot.x, foot.y), meter), random)
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

"""Puts a crop together in linear light: background, shadow, person, company, strangers, and what stands before them."""

from dataclasses import dataclass
from functools import lru_cache
from math import atan2, cos, hypot, sin
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from training.synthetic.appearance import PersonAppearance, sample_appearance
from training.synthetic.bystanders import Standing, bystander_layer
from training.synthetic.camera import PERSON_METERS, GroundPoint, Projection
from training.synthetic.detector_box import Box, draw_box, sample_box_habit
from training.synthetic.figure import Figure, render_figure
from training.synthetic.illumination import GroundLight
from training.synthetic.layers import (
    Floats,
    Layer,
    PixelPoint,
    blurred_by_motion,
    cast_shadow,
    contact_shadow,
    figure_layer,
    hidden_share,
    image_layer,
    paste,
)
from training.synthetic.pose import sample_pose
from training.synthetic.random_streams import Stream, random_stream
from training.synthetic.scene import Scene
from training.synthetic.site import Site, network_scene, network_site
from training.synthetic.things import draw_thing
from training.synthetic.view import Light, View

# Networks are trained on 256 x 128 or less: more pixels would only cost time.
_TALLEST_PIXELS, _SMALLEST_PIXELS = 224, 48
# How often one of those who walk along is in the picture.
_COMPANION_SHARE = 0.35
# More hidden than this and the label would be a guess.
_MOST_HIDDEN = 0.5


@dataclass(frozen=True, slots=True)
class CropPlan:
    """All that decides one crop, besides the random numbers of its moment.

    Attributes:
        seed: of the network.
        person, camera: their numbers in the network.
        track: a number of the person's walk past the camera: decides the detector's habits.
        moment: which crop of that walk.
        azimuth: where the person faces, world axes of the camera.
        place, aside_meters: where on the camera's path, see `Camera.ground_point`.
        companions: numbers of those who walk along.
        timestamp_seconds: decides the light.
    """

    seed: int
    person: int
    camera: int
    track: int
    moment: int
    azimuth: float
    place: float
    aside_meters: float
    companions: tuple[int, ...]
    timestamp_seconds: float


class _Window(NamedTuple):
    """Which part of the camera's frame the crop shows."""

    left: float
    top: float
    scale: float
    size: tuple[int, int]

    def pixel(self, x: float, y: float) -> PixelPoint:
        """Where a pixel of the frame is in the crop."""
        return (x - self.left) * self.scale, (y - self.top) * self.scale


class _Shot(NamedTuple):
    """What every part of a crop is drawn with."""

    plan: CropPlan
    site: Site
    scene: Scene
    random: np.random.Generator


@lru_cache(maxsize=8192)
def person_appearance(seed: int, person: int) -> PersonAppearance:
    """The look of a numbered person of a network."""
    return sample_appearance(random_stream(seed, Stream.PERSON, person))


def compose(plan: CropPlan, random: np.random.Generator) -> tuple[Floats, bool]:
    """The light that falls on the sensor, [h, w, 3], and whether it is the camera's own infrared."""
    shot = _Shot(plan, network_site(plan.seed, plan.camera), network_scene(plan.seed, plan.camera), random)
    point = shot.site.camera.ground_point(plan.place, plan.aside_meters)
    ground_light = shot.site.illumination.at(point, plan.timestamp_seconds)
    height = _usual_height(shot.site, point)
    figure = _draw_figure(shot, plan.person, point, height)
    window = _cut_window(shot, figure, point, height)
    person = figure_layer(figure, window.pixel(*shot.site.camera.project(point)[:2]))
    canvas = _draw_ground(shot, window, point, person, ground_light)
    behind, before = _company(shot, window, point, person)
    for layer in behind:
        paste(canvas, layer)
    paste(canvas, blurred_by_motion(person, _smear(shot, height)))
    for layer in before:
        if hidden_share(person, layer) < _MOST_HIDDEN:
            paste(canvas, layer)
    return canvas, ground_light.is_infrared


def _usual_height(site: Site, point: GroundPoint) -> int:
    """Of a person at that point, in pixels."""
    middle = site.camera.project(site.camera.ground_point(0.5, 0.0))
    usual = site.camera.person_pixels * site.camera.project(point).pixels_per_meter / middle.pixels_per_meter
    return round(float(np.clip(usual, _SMALLEST_PIXELS, _TALLEST_PIXELS)))


def _draw_figure(shot: _Shot, person: int, point: GroundPoint, height: int) -> Figure:
    camera = shot.site.camera
    light = shot.site.illumination.at(point, shot.plan.timestamp_seconds)
    red, green, blue = (float(channel) for channel in light.direct * shot.scene.sunlit(camera.project(point)))
    sky_red, sky_green, sky_blue = (float(channel) for channel in light.ambient)
    view = View(
        yaw=camera.yaw(point, shot.plan.azimuth + float(shot.random.normal(0, 0.25))),
        elevation=camera.elevation(point),
        distance=camera.distance(point),
        roll=camera.lean(point),
        height_pixels=height,
    )
    lit = Light(camera.axes(point, light.direction), (red, green, blue), (sky_red, sky_green, sky_blue))
    return render_figure(person_appearance(shot.plan.seed, person), sample_pose(shot.random), view, lit)


def _cut_window(shot: _Shot, figure: Figure, point: GroundPoint, height: int) -> _Window:
    """The detector's box around the figure."""
    plan, camera = shot.plan, shot.site.camera
    habit = sample_box_habit(random_stream(plan.seed, Stream.TRACK, plan.person, plan.camera, plan.track))
    box = draw_box(_bounds(figure.alpha), habit, plan.moment, shot.random)
    foot, head = camera.project(point), camera.project(point, PERSON_METERS)
    scale = height / max(hypot(head.x - foot.x, head.y - foot.y), 1.0)
    left, top = foot.x - (figure.foot[0] - box.left) / scale, foot.y - (figure.foot[1] - box.top) / scale
    return _Window(left, top, scale, (box.right - box.left, box.bottom - box.top))


def _draw_ground(shot: _Shot, window: _Window, point: GroundPoint, person: Layer, light: GroundLight) -> Floats:
    """Background in its light, with the person's shadow."""
    width, height = window.size
    box = (window.left, window.top, window.left + width / window.scale, window.top + height / window.scale)
    albedo, sunlit = shot.scene.window(box, window.size, shot.site.softness)
    camera = shot.site.camera
    foot = window.pixel(*camera.project(point)[:2])
    head = window.pixel(*camera.project(point, PERSON_METERS)[:2])
    if light.casts_shadow > 0.1:
        tip = window.pixel(*camera.project(_shadow_tip(point, light))[:2])
        sunlit = sunlit * (1 - light.casts_shadow * cast_shadow(person, foot, head, tip, window.size))
    contact = 1 - 0.55 * contact_shadow(foot, hypot(head[0] - foot[0], head[1] - foot[1]), window.size)
    brightness = np.float32(1 + shot.site.illumination.backlight)
    # A floor sees the whole sky and lamps mostly from above: it gets most of the main light.
    direct = (light.direct * (0.35 + 0.65 * max(0.0, light.direction[1])) * brightness).astype(np.float32)
    lit = (sunlit * contact)[:, :, None] * direct + contact[:, :, None] * (light.ambient * brightness)
    return albedo * lit


def _shadow_tip(point: GroundPoint, light: GroundLight) -> GroundPoint:
    """Where on the ground the shadow of a person's head falls, at most two and a half heights away."""
    reach = min(PERSON_METERS / max(light.direction[1], 0.05), 2.5 * PERSON_METERS)
    return GroundPoint(point.x - reach * light.direction[0], max(0.5, point.z - reach * light.direction[2]))


def _company(shot: _Shot, window: _Window, point: GroundPoint, person: Layer) -> tuple[list[Layer], list[Layer]]:
    """Others and things behind the person, and those before, each the far ones first."""
    random, site = shot.random, shot.site
    placed: list[tuple[float, Layer]] = []
    if shot.plan.companions and random.random() < _COMPANION_SHARE:
        place = _beside(point, shot.plan.azimuth, random)
        member = int(random.choice(shot.plan.companions))
        figure = _draw_figure(shot, member, place, _usual_height(site, place))
        placed.append((_nearness(place), figure_layer(figure, window.pixel(*site.camera.project(place)[:2]))))
    if random.random() < site.crowd_share:
        is_before = random.random() < 0.25
        place = _toward_camera(point, random.uniform(0.5, 1.2) if is_before else -random.uniform(0.4, 5.0), 0.7, random)
        placed.append((_nearness(place), _bystander(shot, window, place)))
    if random.random() < site.occlusion_share:
        place = _toward_camera(point, random.uniform(0.4, 1.3), 0.45, random)
        placed.append((_nearness(place), _thing(shot, window, place)))
    placed.sort(key=lambda each: each[0])
    own = _nearness(point)
    return [layer for near, layer in placed if near < own], [layer for near, layer in placed if near >= own]


def _bystander(shot: _Shot, window: _Window, place: GroundPoint) -> Layer:
    camera = shot.site.camera
    foot, head = camera.project(place), camera.project(place, PERSON_METERS)
    light = shot.site.illumination.at(place, shot.plan.timestamp_seconds)
    height = hypot(head.x - foot.x, head.y - foot.y) * window.scale * shot.random.uniform(0.92, 1.06)
    ratio = light.ambient + 0.6 * light.direct * shot.scene.sunlit(foot)
    standing = Standing(window.pixel(foot.x, foot.y), height, camera.elevation(place), ratio)
    return bystander_layer(shot.plan.seed, standing, shot.random)


def _thing(shot: _Shot, window: _Window, place: GroundPoint) -> Layer:
    camera, random = shot.site.camera, shot.random
    foot = camera.project(place)
    light = shot.site.illumination.at(place, shot.plan.timestamp_seconds)
    image = Image.new("RGBA", window.size)
    # From above, upright things are foreshortened and their depth shows: half of it each.
    meter = foot.pixels_per_meter * window.scale * cos(camera.elevation(place)) ** 0.5
    kind = shot.site.occluders[int(random.integers(len(shot.site.occluders)))]
    draw_thing(ImageDraw.Draw(image), kind, Projection(*window.pixel(foot.x, foot.y), meter), random)
    return image_layer(image, 0, 0, light.ambient + 0.6 * light.direct * shot.scene.sunlit(foot))


def _beside(point: GroundPoint, azimuth: float, random: np.random.Generator) -> GroundPoint:
    """Where somebody who walks along is: an arm's length aside, half a step before or behind."""
    aside, along = random.choice((-1, 1)) * random.uniform(0.45, 0.9), random.normal(0, 0.3)
    return GroundPoint(
        float(point.x + aside * cos(azimuth) + along * sin(azimuth)),
        float(max(1.0, point.z - aside * sin(azimuth) + along * cos(azimuth))),
    )


def _toward_camera(point: GroundPoint, meters: float, spread: float, random: np.random.Generator) -> GroundPoint:
    """A point so much nearer to the camera, and a little aside."""
    sight, aside = atan2(point.x, point.z), random.normal(0, spread)
    return GroundPoint(
        float(point.x - meters * sin(sight) + aside * cos(sight)),
        float(max(0.8, point.z - meters * cos(sight) - aside * sin(sight))),
    )


def _nearness(place: GroundPoint) -> float:
    return -hypot(place.x, place.z)


def _smear(shot: _Shot, height: int) -> int:
    """How many pixels the person moves while the shutter is open."""
    across = abs(sin(shot.site.camera.yaw(GroundPoint(0.0, 1.0), shot.plan.azimuth)))
    return round(shot.site.motion_pixels * across * height / 200)


def _bounds(alpha: Floats) -> Box:
    """Of what is covered, in pixels."""
    covered = alpha > 0.3
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)

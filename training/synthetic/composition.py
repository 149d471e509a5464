"""Puts a crop together in linear light: background, shadow, the person, and what is behind and before them."""

from math import hypot, sin

import numpy as np

from training.synthetic.cameras.camera import PERSON_METERS, GroundPoint
from training.synthetic.cameras.illumination import GroundLight
from training.synthetic.cameras.site import network_scene, network_site
from training.synthetic.company import company
from training.synthetic.detector_box import Box, draw_box, sample_box_habit
from training.synthetic.figures.figure import Figure
from training.synthetic.float_arrays import Floats
from training.synthetic.layers import (
    Layer,
    blurred_by_motion,
    cast_shadow,
    clipped,
    contact_shadow,
    figure_layer,
    hidden_share,
    paste,
)
from training.synthetic.random_streams import Stream, random_stream
from training.synthetic.shot import CropPlan, Shot, Window, draw_figure, uneven, usual_height

# More hidden than this and the label would be a guess.
_MOST_HIDDEN = 0.5


def compose(plan: CropPlan, random: np.random.Generator) -> tuple[Floats, bool]:
    """The light that falls on the sensor, [h, w, 3], and whether it is the camera's own infrared."""
    shot = Shot(plan, network_site(plan.seed, plan.camera), network_scene(plan.seed, plan.camera), random)
    point = shot.site.camera.ground_point(plan.place, plan.aside_meters)
    ground_light = shot.site.illumination.at(point, plan.timestamp_seconds)
    height = usual_height(shot.site, point)
    figure = _dappled(shot, draw_figure(shot, plan.person, point, height))
    window = _cut_window(shot, figure, point, height)
    person = figure_layer(figure, window.pixel(*shot.site.camera.project(point)[:2]))
    canvas = _draw_ground(shot, window, point, person, ground_light)
    behind, before = company(shot, window, point)
    for layer in behind:
        paste(canvas, layer)
    paste(canvas, blurred_by_motion(person, _smear(shot, height)))
    seen = clipped(person, window.size)
    for layer in before:
        if hidden_share(seen, layer) < _MOST_HIDDEN:
            paste(canvas, layer)
    return canvas, ground_light.is_infrared


def _dappled(shot: Shot, figure: Figure) -> Figure:
    """A figure whose parts are in different light: the edge of a shade, a lamp behind a beam, leaves."""
    if shot.random.random() > shot.site.dapple_share:
        return figure
    shade = uneven(shot.random, figure.alpha.shape, shot.random.uniform(0.3, 0.8))
    return Figure(figure.color * shade, figure.alpha, figure.foot)


def _cut_window(shot: Shot, figure: Figure, point: GroundPoint, height: int) -> Window:
    """The detector's box around the figure."""
    plan, camera = shot.plan, shot.site.camera
    habit = sample_box_habit(random_stream(plan.seed, Stream.TRACK, plan.person, plan.camera, plan.track))
    box = draw_box(_bounds(figure.alpha), habit, plan.moment, shot.random)
    foot, head = camera.project(point), camera.project(point, PERSON_METERS)
    scale = height / max(hypot(head.x - foot.x, head.y - foot.y), 1.0)
    left, top = foot.x - (figure.foot[0] - box.left) / scale, foot.y - (figure.foot[1] - box.top) / scale
    return Window(left, top, scale, (box.right - box.left, box.bottom - box.top))


def _draw_ground(shot: Shot, window: Window, point: GroundPoint, person: Layer, light: GroundLight) -> Floats:
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


def _smear(shot: Shot, height: int) -> int:
    """How many pixels the person moves while the shutter is open."""
    across = abs(sin(shot.site.camera.yaw(GroundPoint(0.0, 1.0), shot.plan.azimuth)))
    return round(shot.site.motion_pixels * across * height / 200)


def _bounds(alpha: Floats) -> Box:
    """Of what is covered, in pixels."""
    covered = alpha > 0.3
    rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)

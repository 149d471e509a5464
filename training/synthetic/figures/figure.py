"""One person in one moment as a camera sees them: the figure that is put before a scene."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from training.synthetic.figures.bags import bag_surfaces, held_sides
from training.synthetic.figures.collar import collar_surfaces
from training.synthetic.figures.head_surfaces import head_surfaces
from training.synthetic.figures.limbs import (
    arm_surfaces,
    arm_texture,
    foot_surfaces,
    foot_texture,
    hand_texture,
    leg_surfaces,
    leg_texture,
    trouser_pixels,
)  # fmt: skip
from training.synthetic.figures.projection import project
from training.synthetic.figures.raster import draw_surfaces
from training.synthetic.figures.shading import shade
from training.synthetic.figures.sheet import sheets_of
from training.synthetic.figures.skeleton import Skeleton, build_skeleton, sink
from training.synthetic.figures.surface import Surface, Texture
from training.synthetic.figures.top_texture import top_texture
from training.synthetic.figures.trunk import neck_surface, pelvis_ease, pelvis_surface, skirt_surface, top_surface
from training.synthetic.figures.view import Light, View
from training.synthetic.float_arrays import as_floats
from training.synthetic.people.appearance import PersonAppearance
from training.synthetic.people.hairdo import Headwear
from training.synthetic.people.pose import Pose
from training.synthetic.people.wardrobe import Collar, LowerKind

# Samples per pixel, across and down, at most; larger figures need fewer for edges as smooth against their size.
_SUPERSAMPLING, _SAMPLED_HEIGHT = 2.0, 384
# Tops that reach lower than this cover the hips and the crotch, body heights.
_PELVIS_HIDDEN_BELOW = 0.43


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A person cut out.

    Attributes:
        color: [h, w, 3] linear light, float32, not premultiplied; may exceed 1.
        alpha: [h, w] coverage 0 to 1, float32.
        foot: pixel (x, y) where the person stands.
    """

    color: npt.NDArray[np.float32]
    alpha: npt.NDArray[np.float32]
    foot: tuple[float, float]


def render_figure(appearance: PersonAppearance, pose: Pose, view: View, light: Light) -> Figure:
    """Draw a person; the arrays are a few pixels larger than the figure. The same arguments give the same pixels."""
    surfaces = figure_surfaces(appearance, pose)
    supersampling = max(1.0, min(_SUPERSAMPLING, _SAMPLED_HEIGHT / view.height_pixels))
    projection = project(view, supersampling)
    samples = draw_surfaces(sheets_of(surfaces, projection, light), 2 * pose.creases)
    color, alpha = shade(
        samples, [surface.texture for surface in surfaces], light, supersampling, view.height_pixels * supersampling
    )
    x, y = projection.pixels(projection.camera_points(as_floats([0.0, 0.0, 0.0])))
    foot = (float(x - samples.origin[0]) / supersampling, float(y - samples.origin[1]) / supersampling)
    return Figure(color, alpha, foot)


def figure_surfaces(appearance: PersonAppearance, pose: Pose) -> list[Surface]:
    """All surfaces of a person in a pose, standing on the ground (height 0)."""
    skeleton = build_skeleton(appearance.body, _hampered(appearance, pose), held_sides(appearance.luggage))
    textures = _textures(appearance)
    surfaces = _trunk(appearance, skeleton, textures) + _legs(appearance, skeleton, textures)
    outermost = appearance.outer or appearance.top
    sleeve = max(appearance.top.sleeve, outermost.sleeve)
    ease = outermost.ease if outermost.sleeve > 0 else appearance.top.ease
    surfaces += arm_surfaces(skeleton, textures.arm, textures.hand, sleeve, ease)
    surfaces += head_surfaces(skeleton, appearance.head, appearance.skin, appearance.seed, outermost.ease)
    surfaces += bag_surfaces(skeleton, appearance.luggage, outermost.ease + 0.004)
    drop = as_floats([0.0, sink(skeleton), 0.0])
    return [Surface(part.points - drop, part.along, part.texture, part.is_two_sided) for part in surfaces]


def _hampered(appearance: PersonAppearance, pose: Pose) -> Pose:
    """The pose with the shorter steps that a long skirt or dress leaves."""
    lower, hem = appearance.lower, min(appearance.top.hem, (appearance.outer or appearance.top).hem)
    if lower.kind is LowerKind.SKIRT:
        hem = min(hem, 0.505 - 0.46 * lower.hem)
    share = min(1.0, max(0.45, 0.45 + (hem - 0.12) * 2.4))
    return replace(pose, stride=pose.stride * share, knee=pose.knee * share)


@dataclass(frozen=True, slots=True, eq=False)
class _Textures:
    trunk: Texture
    under: Texture
    neck: Texture
    arm: Texture
    hand: Texture
    leg: Texture
    pelvis: Texture
    foot: Texture


# Enough for the people of a few batches: a person's textures take about 300 KB.
@lru_cache(maxsize=128)
def _textures(appearance: PersonAppearance) -> _Textures:
    top, outer, lower, seed = appearance.top, appearance.outer, appearance.lower, appearance.seed
    outermost = outer or top
    neck_color = outermost.fabric.main if outermost.collar is Collar.TURTLE else appearance.skin
    neck = np.empty((8, 8, 3), np.uint8)
    neck[:] = np.asarray(neck_color).astype(np.uint8)
    around = as_floats((np.arange(128) + 0.5) / 128)
    pelvis = trouser_pixels(lower, as_floats(np.linspace(-0.2, 0.2, 72)), as_floats(around))
    if lower.belt is not None:
        pelvis[:9] = lower.belt
    trunk = top_texture(outermost, top if outer else None, appearance.skin, appearance.luggage, seed)
    under = top_texture(top, None, appearance.skin, None, seed + 1) if outer and top.hem < outer.hem else trunk
    return _Textures(
        trunk=trunk,
        under=under,
        neck=Texture(neck),
        arm=arm_texture(top, outermost, appearance.skin, seed),
        hand=hand_texture(appearance.skin),
        leg=leg_texture(lower, appearance.shoes, appearance.skin, seed),
        pelvis=Texture(np.clip(pelvis, 0, 255).astype(np.uint8), crease=0.15, crease_seed=seed, girth=0.5),
        foot=foot_texture(appearance.shoes, appearance.skin, seed),
    )


def _trunk(appearance: PersonAppearance, skeleton: Skeleton, textures: _Textures) -> list[Surface]:
    top, outer = appearance.top, appearance.outer
    over = pelvis_ease(appearance.lower)
    surfaces = [neck_surface(skeleton, textures.neck)]
    if outer is None:
        surfaces.append(top_surface(skeleton, top, textures.trunk, clearance=0.0, over=over))
    else:
        surfaces.append(top_surface(skeleton, outer, textures.trunk, clearance=0.6 * top.ease, over=over + 0.004))
        if top.hem < outer.hem:
            surfaces.append(
                top_surface(skeleton, top, textures.under, clearance=0.0, over=over, start=outer.hem + 0.06)
            )
    hood_is_up = appearance.head.headwear is Headwear.HOOD
    return surfaces + collar_surfaces(skeleton, outer or top, hood_is_up=hood_is_up)


def _legs(appearance: PersonAppearance, skeleton: Skeleton, textures: _Textures) -> list[Surface]:
    lower, outermost = appearance.lower, appearance.outer or appearance.top
    hems = [appearance.top.hem, outermost.hem]
    surfaces = foot_surfaces(skeleton, appearance.shoes, textures.foot)
    if lower.kind is LowerKind.SKIRT:
        hems.append(skeleton.hip_height - 0.46 * lower.hem)
        surfaces.append(skirt_surface(skeleton, textures.pelvis, hems[-1], lower.flare, lower.pleats))
    elif min(hems) > _PELVIS_HIDDEN_BELOW:
        surfaces.append(pelvis_surface(skeleton, textures.pelvis, pelvis_ease(lower)))
    # What hangs lower than the hips hides the legs but for a hand's breadth, more where one looks up under it.
    below = min(hems) + 0.13 if min(hems) < _PELVIS_HIDDEN_BELOW else 1.0
    return surfaces + leg_surfaces(skeleton, lower, textures.leg, below)

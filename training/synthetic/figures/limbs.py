"""Arms, hands, legs and feet, with the sleeves, trousers and shoes that cover them."""

import numpy as np

from training.synthetic.figures.skeleton import Skeleton, with_posture
from training.synthetic.figures.surface import Surface, Texture, arc_length, tube_along
from training.synthetic.float_arrays import Floats, as_floats
from training.synthetic.people.palette import Color
from training.synthetic.people.patterns import blend, darken, from_seam, noise_at, plain, weave
from training.synthetic.people.wardrobe import Lower, LowerKind, ShoeKind, Shoes, Top

_ARM_RADII = as_floats([0.019, 0.036, 0.0345, 0.031, 0.028, 0.0255, 0.0255, 0.0265, 0.024, 0.020, 0.0175])
_LEG_RADII = as_floats([0.046, 0.051, 0.050, 0.047, 0.042, 0.037, 0.0345, 0.0365, 0.036, 0.030, 0.024, 0.022])
_ARM_ROWS, _ARM_COLUMNS, _ARM_LENGTH, _ARM_GIRTH = 132, 64, 0.33, 0.17
_LEG_ROWS, _LEG_COLUMNS, _LEG_LENGTH, _LEG_GIRTH = 184, 84, 0.48, 0.28


def arm_surfaces(skeleton: Skeleton, texture: Texture, hand: Texture, sleeve: float, ease: float) -> list[Surface]:
    """Both arms and hands; `sleeve` is the covered share of the arm, `ease` how far the sleeve stands off."""
    surfaces = []
    place = np.sort(np.concatenate((np.linspace(0, 1, 13), (max(sleeve, 0.02), min(1.0, sleeve + 0.004)))))
    radius = np.interp(place, np.linspace(0, 1, len(_ARM_RADII)), _ARM_RADII) * skeleton.body.limb_girth
    cover = 0.0025 + 0.75 * ease * np.clip(0.3 + place * 2, 0, 1)
    radius = as_floats(radius + np.where(place <= max(sleeve, 0.02), cover, 0.0))
    for side, joints in enumerate(skeleton.arms):
        sign = 1.0 if side == 0 else -1.0
        start = joints[0] + as_floats([-sign * 0.030, 0.004, 0.0])
        spine = _bent(np.vstack((start, joints[0] - [0, 0.012, 0], joints[1], joints[2])), (0.0, 0.1, 0.54, 1.0), place)
        points = with_posture(tube_along(spine, radius * 0.94, radius * 1.04), skeleton.body, skeleton.pose)
        surfaces.append(Surface(points, as_floats(place), texture if side == 0 else _mirrored(texture)))
        surfaces.append(Surface(with_posture(_hand(joints), skeleton.body, skeleton.pose), _HAND_ALONG, hand))
    return surfaces


def arm_texture(top: Top, outermost: Top, skin: Color, crease_seed: int) -> Texture:
    """The left arm's texture: sleeve, cuff, skin. What is worn outermost covers the longer or the shorter part."""
    place = as_floats((np.arange(_ARM_ROWS) + 0.5) / _ARM_ROWS)
    around = as_floats((np.arange(_ARM_COLUMNS) + 0.5) / _ARM_COLUMNS)
    across = from_seam(around) * np.float32(_ARM_GIRTH)
    pixels = weave(plain(skin, crease_seed, 2.0), place * _ARM_LENGTH, across)
    for garment in (top, outermost):
        rows = place < garment.sleeve
        if not rows.any():
            continue
        # A sleeve's stripes meet those of the trunk: both begin at the shoulder.
        pixels[rows] = weave(garment.sleeve_fabric, place[rows] * _ARM_LENGTH + 0.06, across)
        if garment.quilting:
            pixels[rows] *= (0.72 + 0.36 * np.abs(np.sin(np.pi * place[rows] * _ARM_LENGTH / garment.quilting)) ** 0.6)[
                :, None, None
            ]
        if garment.sleeve_stripe is not None:
            outer = np.abs(around - 0.75)
            pixels[np.ix_(rows, (outer < 0.09) & (outer % 0.06 < 0.03))] = garment.sleeve_stripe
        cuff = rows & (place > garment.sleeve - 0.035)
        pixels[cuff] = pixels[cuff] * 0.82 if garment.trim is None else as_floats(garment.trim)
    ease = outermost.ease
    covered = max(top.sleeve, outermost.sleeve)
    return Texture(
        np.clip(pixels, 0, 255).astype(np.uint8), length=_ARM_LENGTH, girth=_ARM_GIRTH,
        crease=min(0.12 + 9 * ease, 0.32) if covered > 0.6 else 0.06, crease_seed=crease_seed + 3,
        gloss=0.5 if outermost.is_shiny else 0.0,
    )  # fmt: skip


def leg_surfaces(skeleton: Skeleton, lower: Lower, texture: Texture, below: float) -> list[Surface]:
    """Both legs, in trousers of their cut or bare; what is higher than `below` is hidden and left out."""
    surfaces = []
    covered = 0.0 if lower.kind is LowerKind.SKIRT else lower.hem
    edge = [] if covered >= 0.99 or covered == 0 else [covered, covered + 0.004]
    place = as_floats(np.sort(np.concatenate((np.linspace(0, 1, 17), edge))))
    bare = as_floats(np.interp(place, np.linspace(0, 1, len(_LEG_RADII)), _LEG_RADII) * skeleton.body.limb_girth)
    radius = np.where(place <= covered, _trouser_radius(lower, place, bare), bare)
    # The top of the leg rounds off inside the pelvis.
    radius = as_floats(radius * np.clip(0.55 + place * 8, 0, 1))
    # The end is closed, so that nobody looks through a lifted leg.
    place, radius = as_floats(np.append(place, 1.0)), as_floats(np.append(radius, 0.002))
    drawn = place > (skeleton.hip_height - below) / 0.46
    for side, joints in enumerate(skeleton.legs):
        start = joints[0] + as_floats([0.0, 0.035, 0.0])
        spine = _bent(np.vstack((start, joints)), (0.0, 0.07, 0.535, 1.0), place)
        points = tube_along(spine, radius * 0.97, radius * 1.03, 19)[drawn]
        surfaces.append(Surface(points, place[drawn], texture if side == 0 else _mirrored(texture)))
    return surfaces


def leg_texture(lower: Lower, shoes: Shoes, skin: Color, crease_seed: int) -> Texture:
    """The left leg's texture: trousers, socks or tights, boots, skin."""
    place = as_floats((np.arange(_LEG_ROWS) + 0.5) / _LEG_ROWS)
    around = as_floats((np.arange(_LEG_COLUMNS) + 0.5) / _LEG_COLUMNS)
    across = around * _LEG_GIRTH
    pixels = weave(plain(skin, crease_seed, 2.0), place * _LEG_LENGTH, across)
    if lower.legwear is not None:
        rows = place > (lower.sock_top if lower.kind is not LowerKind.SKIRT else 0.0)
        pixels[rows] = lower.legwear
    if lower.kind is not LowerKind.SKIRT:
        rows = place < lower.hem
        pixels[rows] = trouser_pixels(lower, place[rows], around)
        pixels[rows & (place > lower.hem - 0.012)] *= 0.75
    if shoes.shaft:
        rows = place > 1 - shoes.shaft
        if lower.kind in {LowerKind.SKIRT, LowerKind.LEGGINGS, LowerKind.SHORTS}:
            pixels[rows] = shoes.color
    inner = np.exp(-(((around - 0.25) / 0.12) ** 2))
    darken(pixels, as_floats(1 - 0.35 * np.clip(1.2 - 2.2 * place, 0, 1)[:, None] * inner))
    is_cloth = lower.kind not in {LowerKind.SKIRT, LowerKind.SHORTS, LowerKind.LEGGINGS}
    return Texture(
        np.clip(pixels, 0, 255).astype(np.uint8), length=_LEG_LENGTH, girth=_LEG_GIRTH,
        crease=min(0.18 + 9 * lower.ease, 0.32) if is_cloth else 0.06, crease_seed=crease_seed + 7,
    )  # fmt: skip


def trouser_pixels(lower: Lower, place: Floats, around: Floats) -> Floats:
    """Fabric of a trouser leg at places along the leg and around it, with its wash and its stripe."""
    pixels = weave(lower.fabric, as_floats(place * _LEG_LENGTH + 0.1), from_seam(around) * np.float32(_LEG_GIRTH))
    if lower.wash:
        front = np.exp(-(((around - 0.5) / 0.13) ** 2)) + 0.5 * np.exp(-(((np.abs(around - 0.5) - 0.5) / 0.12) ** 2))
        high = np.exp(-(((place - 0.25) / 0.2) ** 2)) + 0.4 * np.exp(-(((place - 0.7) / 0.15) ** 2))
        fade = lower.wash * high[:, None] * front[None, :]
        fade = fade * (1 + 0.2 * noise_at(lower.fabric.seed, place, around, 90.0))
        blend(pixels, as_floats(0.75 * fade), (196.0, 204.0, 214.0))
    if lower.side_stripe is not None:
        stripe = np.abs(around - 0.75)
        pixels[:, (stripe < 0.06) & (stripe % 0.04 < 0.022)] = lower.side_stripe
    pixels[:, np.abs(around - 0.75) < 0.012] *= 0.85
    return pixels


def foot_surfaces(skeleton: Skeleton, shoes: Shoes, texture: Texture) -> list[Surface]:
    """Both shoes."""
    size = skeleton.body.feet
    forward = as_floats([-0.046, -0.043, -0.03, 0.0, 0.035, 0.065, 0.09, 0.102, 0.106]) * size
    half_width = as_floats([0.002, 0.018, 0.0245, 0.025, 0.027, 0.030, 0.026, 0.014, 0.001]) * size
    half_height = as_floats([0.006, 0.024, 0.031, 0.034, 0.026, 0.019, 0.015, 0.010, 0.003])
    if shoes.kind is ShoeKind.TRAINERS:
        half_width, half_height = half_width * 1.08, half_height * 1.08
    spine = np.stack((0 * forward, half_height - 0.045, forward), axis=1)
    local = tube_along(as_floats(spine), half_width, half_height, 17)
    surfaces = []
    for leg, (pitch, turn) in zip(skeleton.legs, skeleton.feet, strict=True):
        cosine, sine = np.cos(pitch), np.sin(pitch)
        y, z = local[..., 1] * cosine - local[..., 2] * sine, local[..., 2] * cosine + local[..., 1] * sine
        x, z = local[..., 0] + z * np.sin(turn), z * np.cos(turn)
        surfaces.append(Surface(as_floats(np.stack((x, y, z), axis=2)) + leg[2], arc_length(as_floats(spine)), texture))
    return surfaces


def foot_texture(shoes: Shoes, skin: Color, seed: int) -> Texture:
    """A shoe: upper, sole, laces or straps; rows run from the heel to the toe, the middle column is on top."""
    along, around = as_floats((np.arange(40) + 0.5) / 40), as_floats((np.arange(48) + 0.5) / 48)
    pixels = weave(plain(shoes.color, seed), along * 0.15, around * 0.15)
    low = np.abs(around - 0.5)
    if shoes.kind is ShoeKind.TRAINERS:
        pixels[np.ix_((along > 0.42) & (along < 0.7) & (along * 40 % 4 < 2), low < 0.06)] = shoes.sole
        side = (np.abs(along[:, None] - 0.45 - 0.5 * (low[None, :] - 0.2)) < 0.05) & (low[None, :] > 0.12)
        pixels[side] = shoes.accent
    if shoes.kind is ShoeKind.SANDALS:
        bare = (along % 0.3 > 0.1)[:, None] & (low < 0.3)[None, :]
        pixels[bare] = skin
    pixels[:, low > (0.3 if shoes.kind is ShoeKind.TRAINERS else 0.36)] = shoes.sole
    pixels[np.ix_(along > 0.93, low < 0.3)] *= 0.9
    gloss = 0.5 if shoes.kind in {ShoeKind.SHOES, ShoeKind.BOOTS} else 0.0
    return Texture(np.clip(pixels, 0, 255).astype(np.uint8), gloss=gloss)


def hand_texture(skin: Color) -> Texture:
    """A hand: finger tips a little redder than the rest."""
    rows = np.linspace(0, 1, 12, dtype=np.float32)[:, None, None]
    pixels = as_floats(skin) * (1.0 - 0.12 * rows * as_floats([0.3, 1.0, 1.0])) * np.ones((12, 12, 1), np.float32)
    pixels[8:, ::3] *= 0.8
    return Texture(pixels.astype(np.uint8))


_HAND_ALONG = as_floats([0.0, 0.25, 0.5, 0.75, 0.92, 1.0])


def _hand(joints: Floats) -> Floats:
    direction = joints[2] - joints[1]
    direction = direction / np.sqrt((direction**2).sum())
    # Fingers curl a little forward.
    bend = as_floats([0.0, 0.0, 0.35]) * (_HAND_ALONG**2)[:, None] * 0.09
    spine = joints[2] - direction * 0.008 + direction * (_HAND_ALONG * 0.095)[:, None] + bend
    return tube_along(
        as_floats(spine),
        as_floats([0.0135, 0.015, 0.015, 0.012, 0.009, 0.001]),
        as_floats([0.016, 0.022, 0.025, 0.021, 0.014, 0.002]),
        11,
    )


def _trouser_radius(lower: Lower, place: Floats, radius: Floats) -> Floats:
    match lower.kind:
        case LowerKind.LEGGINGS:
            return as_floats(radius + 0.001)
        case LowerKind.WIDE_TROUSERS:
            return as_floats(np.maximum(radius + 0.004, 0.05 + lower.ease + 0.3 * lower.flare * 0.06 * place))
        case LowerKind.SHORTS:
            return as_floats(np.maximum(radius + 0.006, 0.050) + 1.2 * lower.ease)
        case _:
            hang = 0.0335 + 0.9 * lower.ease
            return as_floats(np.maximum(radius + 0.003 + 0.35 * lower.ease, hang))


def _bent(joints: Floats, stations: tuple[float, ...], place: Floats) -> Floats:
    """Points along a chain of joints at shares of its length, rounded at the joints."""

    def at(where: Floats) -> Floats:
        return np.stack([np.interp(where, stations, joints[:, axis]) for axis in range(3)], axis=1)

    reach = 0.05 * np.clip(np.minimum(place, 1 - place) / 0.05, 0, 1)
    return as_floats((at(as_floats(place - reach)) + 2 * at(place) + at(as_floats(place + reach))) / 4)


def _mirrored(texture: Texture) -> Texture:
    return Texture(
        texture.pixels[:, ::-1], texture.shape_mask, texture.length, texture.girth, texture.crease,
        texture.crease_seed + 1, texture.gloss,
    )  # fmt: skip

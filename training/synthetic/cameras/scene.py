"""What a camera sees when nobody is there: floor, walls, ceiling or sky in perspective, and things that stand about."""

from dataclasses import dataclass
from math import cos, hypot, sin
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from training.synthetic.cameras.camera import FRAME_HEIGHT, FRAME_WIDTH, Camera, FramePoint, GroundPoint
from training.synthetic.cameras.floors_and_walls import (
    PIXELS_PER_METER,
    cloudy_noise,
    draw_ceiling,
    draw_floor,
    draw_sky,
    draw_wall,
)
from training.synthetic.cameras.illumination import Setting
from training.synthetic.cameras.things import THINGS_OF, draw_thing
from training.synthetic.float_arrays import Floats
from training.synthetic.linear_light import to_linear

Box = tuple[float, float, float, float]
# The normal (x, z) that points away from the camera, and how far off it stands.
Wall = tuple[tuple[float, float], float]


@dataclass(frozen=True, slots=True)
class Scene:
    """The empty view of a camera.

    Attributes:
        image: FRAME_WIDTH x FRAME_HEIGHT, mode RGBX: reflectance as sRGB codes, and as the fourth channel how much of
            the main light arrives there.
    """

    image: Image.Image

    def window(self, box: Box, size: tuple[int, int], softness: float) -> tuple[Floats, Floats]:
        """Cut a window and scale it.

        Args:
            box: left, top, right, bottom in pixels of the frame; moved inside where it reaches over.
            size: width and height of the result.
            softness: 1 for sharp; n for a picture that was first shrunk to 1/n, as the depth of field blurs it.

        Returns:
            Reflectance, [height, width, 3], and the share of the main light that arrives, [height, width].
        """
        inside = _moved_inside(box)
        small = (max(2, round(size[0] / softness)), max(2, round(size[1] / softness)))
        cut = self.image.resize(small, Image.Resampling.BILINEAR, inside, reducing_gap=1.5)
        pixels = np.asarray(cut.resize(size, Image.Resampling.BILINEAR) if small != size else cut)
        return to_linear(pixels[:, :, :3]), pixels[:, :, 3] * np.float32(1 / 255)

    def sunlit(self, foot: FramePoint) -> float:
        """The share of the main light that arrives at a place, 0 to 1."""
        x, y = int(np.clip(foot.x, 0, FRAME_WIDTH - 1)), int(np.clip(foot.y, 0, FRAME_HEIGHT - 1))
        return float(np.asarray(self.image.crop((x, y, x + 1, y + 1)))[0, 0, 3]) / 255


class _Sight(NamedTuple):
    """What the rays of the frame's pixels meet, filled in place.

    Attributes:
        rays: directions in world axes, [n, 3].
        colors: [n, 3]; distances: [n], in lengths of the ray; shading: [n], 1 for full light.
    """

    camera: Camera
    setting: Setting
    rays: Floats
    colors: npt.NDArray[np.uint8]
    distances: Floats
    shading: Floats


def draw_scene(random: np.random.Generator, camera: Camera, setting: Setting) -> Scene:
    """Draw the view of a camera in a setting."""
    sky = draw_sky(random, FRAME_WIDTH, FRAME_HEIGHT).reshape(-1, 3)
    nothing, light = np.full(len(sky), 1e6, np.float32), np.ones(len(sky), np.float32)
    sight = _Sight(camera, setting, camera.rays(), sky, nothing, light)
    _lay_floor(random, sight)
    walls = _walls(random, camera)
    for wall in walls:
        _raise_wall(random, sight, wall)
    if setting.is_outdoors:
        _add_distance_haze(random, sight)
    else:
        _hang_ceiling(random, sight)
    pools = 1 + 0.2 * cloudy_noise(random, FRAME_WIDTH, FRAME_HEIGHT, 170).reshape(-1)
    colors = np.clip(sight.colors * (sight.shading * pools)[:, None], 0, 255).astype(np.uint8)
    image = Image.fromarray(colors.reshape(FRAME_HEIGHT, FRAME_WIDTH, 3))
    _place_things(random, camera, setting, walls, image)
    red, green, blue = image.filter(ImageFilter.GaussianBlur(0.6)).split()
    return Scene(Image.merge("RGBX", (red, green, blue, _draw_sunlit(random, setting))))


def _lay_floor(random: np.random.Generator, sight: _Sight) -> None:
    camera, rays = sight.camera, sight.rays
    floor = draw_floor(random, sight.setting)
    hits = np.flatnonzero(rays[:, 1] < -0.004)
    reach = camera.height_meters / -rays[hits, 1]
    x, z = reach * rays[hits, 0], reach * rays[hits, 2]
    angle = random.uniform(0, 1.57)
    across, along = x * cos(angle) + z * sin(angle) + 900, z * cos(angle) - x * sin(angle) + 900
    # Far tiles are smaller than a pixel: they fade into their mean, or they would flicker.
    footprint = reach / (camera.focal_pixels * -rays[hits, 1]) * PIXELS_PER_METER
    fading = np.clip((footprint - 1.5) / 10, 0, 1)[:, None]
    fine = floor.colors(across, along)
    mean = floor.texture.reshape(-1, 3).mean(axis=0)
    sight.colors[hits] = (fine * (1 - fading) + mean * fading).astype(np.uint8)
    sight.distances[hits] = reach


def _walls(random: np.random.Generator, camera: Camera) -> list[Wall]:
    """Normals (x, z) and offsets of walls that leave the path free: mostly one behind it, sometimes one beside it."""
    turn = random.normal(0, 0.45)
    behind, right = (sin(turn), cos(turn)), (cos(turn), -sin(turn))
    ends = (camera.path_start, camera.path_end)
    walls = []
    if random.random() < 0.8:
        farthest = max(end.x * behind[0] + end.z * behind[1] for end in ends)
        walls.append((behind, farthest + random.exponential(3.0) + 0.8))
    for side in (-1, 1):
        if random.random() < 0.45:
            normal = (side * right[0], side * right[1])
            farthest = max(0.5, *(end.x * normal[0] + end.z * normal[1] for end in ends))
            walls.append((normal, farthest + random.exponential(2.0) + 0.8))
    return walls


def _raise_wall(random: np.random.Generator, sight: _Sight, wall: Wall) -> None:
    camera, rays = sight.camera, sight.rays
    (normal_x, normal_z), offset = wall
    height = random.uniform(2.5, 9) if sight.setting.is_outdoors else 40.0
    surface = draw_wall(random, sight.setting, min(height, 8.0))
    speed = rays[:, 0] * normal_x + rays[:, 2] * normal_z
    reach = np.where(speed > 1e-3, offset / np.maximum(speed, 1e-3), 1e6)
    above = camera.height_meters + reach * rays[:, 1]
    hits = np.flatnonzero((reach < sight.distances) & (above > 0) & (above < height))
    along = reach[hits] * (rays[hits, 0] * normal_z - rays[hits, 2] * normal_x) + 910 + random.uniform(0, 26)
    below_top = np.clip(surface.texture.shape[0] / PIXELS_PER_METER - above[hits], 0, None)
    sight.colors[hits] = surface.colors(along, below_top)
    sight.distances[hits] = reach[hits]
    # A corner gets less light, and walls of different directions differ.
    corner = 1 - 0.35 * np.exp(-above[hits] / 0.25)
    sight.shading[hits] = corner * random.uniform(0.65, 1.0)


def _hang_ceiling(random: np.random.Generator, sight: _Sight) -> None:
    camera, rays = sight.camera, sight.rays
    surface = draw_ceiling(random)
    height = max(2.6, camera.height_meters + 0.3) + random.exponential(0.8)
    reach = np.where(rays[:, 1] > 0.004, (height - camera.height_meters) / np.maximum(rays[:, 1], 0.004), 1e6)
    hits = np.flatnonzero(reach < sight.distances)
    sight.colors[hits] = surface.colors(reach[hits] * rays[hits, 0] + 900, reach[hits] * rays[hits, 2] + 900)
    sight.distances[hits] = reach[hits]


def _add_distance_haze(random: np.random.Generator, sight: _Sight) -> None:
    visibility = random.choice((40.0, 120.0, 600.0), p=(0.1, 0.3, 0.6))
    haze = (1 - np.exp(-np.minimum(sight.distances, 300) / visibility))[:, None]
    sight.colors[:] = (sight.colors * (1 - haze) + random.uniform(150, 235) * haze).astype(np.uint8)


def _place_things(
    random: np.random.Generator, camera: Camera, setting: Setting, walls: list[Wall], image: Image.Image
) -> None:
    """Things behind and beside the path, the far ones first."""
    kinds = THINGS_OF[setting]
    middle = camera.ground_point(0.5, 0.0)
    places = [
        GroundPoint(middle.x + float(random.normal(0, 0.5)) * middle.z, middle.z * float(random.uniform(0.85, 2.6)))
        for _ in range(int(random.integers(2, 16)))
    ]
    draw = ImageDraw.Draw(image)
    for place in sorted(places, key=lambda each: -each.z):
        if _is_on_path(camera, place) or _is_beyond(walls, place):
            continue
        foot = camera.project(place)
        draw_thing(draw, kinds[int(random.integers(len(kinds)))], foot, random)


def _is_on_path(camera: Camera, place: GroundPoint) -> bool:
    return any(
        hypot(place.x - on_path.x, place.z - on_path.z) < 0.9
        for on_path in (camera.ground_point(share, 0.0) for share in np.linspace(0, 1, 9))
    )


def _is_beyond(walls: list[Wall], place: GroundPoint) -> bool:
    return any(place.x * normal[0] + place.z * normal[1] > offset - 0.2 for normal, offset in walls)


def _draw_sunlit(random: np.random.Generator, setting: Setting) -> Image.Image:
    """Where the main light arrives: out of doors houses and trees throw shade, indoors lamps differ a little."""
    size = (FRAME_WIDTH, FRAME_HEIGHT)
    sunlit = Image.new("L", size, 255)
    draw = ImageDraw.Draw(sunlit)
    if setting.is_outdoors and random.random() < 0.6:
        for _ in range(int(random.integers(1, 4))):
            left, slant = random.uniform(-0.5, 1) * FRAME_WIDTH, random.normal(0, 200)
            width = random.uniform(60, 600)
            outline = [(left, 0), (left + width, 0), (left + width + slant, FRAME_HEIGHT), (left + slant, FRAME_HEIGHT)]
            draw.polygon(outline, fill=int(random.uniform(10, 90)))
    if setting is Setting.PARK or random.random() < 0.2:
        dapples = cloudy_noise(random, *size, int(random.integers(15, 60))) * 200 + random.uniform(60, 255)
        shade = Image.fromarray(np.clip(dapples, 20, 255).astype(np.uint8))
        sunlit.paste(shade, (0, 0))
    return sunlit.filter(ImageFilter.GaussianBlur(float(random.uniform(1, 6))))


def _moved_inside(box: Box) -> Box:
    left, top, right, bottom = box
    width, height = min(right - left, FRAME_WIDTH), min(bottom - top, FRAME_HEIGHT)
    left, top = min(max(left, 0.0), FRAME_WIDTH - width), min(max(top, 0.0), FRAME_HEIGHT - height)
    return left, top, left + width, top + height

"""One crop as a detector would cut it: a person before the scene of a camera, photographed."""

from dataclasses import dataclass
from functools import lru_cache
from math import pi, sin

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from training.synthetic.appearance import PersonAppearance, sample_appearance
from training.synthetic.camera import CameraLook, photograph, sample_camera_look
from training.synthetic.canvas import CANVAS_HEIGHT, CANVAS_WIDTH, PERSON_PIXELS, Canvas
from training.synthetic.fabric import smooth_noise
from training.synthetic.figure import draw_person
from training.synthetic.pose import sample_pose
from training.synthetic.random_streams import Stream, random_stream
from training.synthetic.scene import SCENE_WIDTH, draw_occluder, draw_scene

# How often a companion of the group is in the picture, and how often something stands before the person: enough to
# be met in every track of a few crops, seldom enough that most crops are clear.
_COMPANION_SHARE, _OCCLUDER_SHARE = 0.35, 0.08


@dataclass(frozen=True, slots=True)
class CropPlan:
    """All that decides the pixels of one crop.

    Attributes:
        seed: of the network.
        person, camera: their numbers in the network.
        visit, moment: which of the person's walks, and which crop of that walk.
        heading: direction of the walk, see `Pose.yaw`.
        place: where along the camera's path, 0 to 1: decides the background behind the person.
        companion: the number of somebody who walks along, None for nobody.
    """

    seed: int
    person: int
    camera: int
    visit: int
    moment: int
    heading: float
    place: float
    companion: int | None
    timestamp_seconds: float


@lru_cache(maxsize=4096)
def person_appearance(seed: int, person: int) -> PersonAppearance:
    """The look of a numbered person of a network."""
    return sample_appearance(random_stream(seed, Stream.PERSON, person))


@lru_cache(maxsize=256)
def camera_look(seed: int, camera: int) -> CameraLook:
    """The look of a numbered camera of a network."""
    return sample_camera_look(random_stream(seed, Stream.CAMERA, camera))


@lru_cache(maxsize=64)
def camera_scene(seed: int, camera: int) -> Image.Image:
    """The background of a numbered camera of a network."""
    return draw_scene(random_stream(seed, Stream.SCENE, camera))


def render_crop(plan: CropPlan) -> bytes:
    """The crop as a JPEG file; the same plan gives the same bytes with the same Pillow and numpy."""
    random = random_stream(plan.seed, Stream.CROP, plan.person, plan.visit, plan.moment)
    look = camera_look(plan.seed, plan.camera)
    roll = look.roll * sin(2 * pi * plan.place) + float(random.normal(0, 0.015))
    picture = _scene_window(plan, random)
    if plan.companion is not None and random.random() < _COMPANION_SHARE:
        _paste_companion(picture, plan, look, roll, random)
    person = _draw(plan, plan.person, look, roll, random)
    picture.paste(_shade(person, look, random), (0, 0), person.mask)
    crop = picture.crop(_detector_box(person.mask, random))
    if random.random() < _OCCLUDER_SHARE:
        draw_occluder(crop, random)
    height = max(48, round(look.crop_height * random.uniform(0.8, 1.2)))
    width = max(16, round(crop.width * height / crop.height))
    small = crop.resize((width, height), Image.Resampling.BOX if height < crop.height else Image.Resampling.BILINEAR)
    return photograph(small, look, plan.timestamp_seconds, random)


def _draw(plan: CropPlan, person: int, look: CameraLook, roll: float, random: np.random.Generator) -> Canvas:
    return draw_person(person_appearance(plan.seed, person), sample_pose(random, plan.heading), look.tilt, roll)


def _scene_window(plan: CropPlan, random: np.random.Generator) -> Image.Image:
    left = int(np.clip(plan.place + random.normal(0, 0.01), 0, 1) * (SCENE_WIDTH - CANVAS_WIDTH))
    return camera_scene(plan.seed, plan.camera).crop((left, 0, left + CANVAS_WIDTH, CANVAS_HEIGHT))


def _paste_companion(
    picture: Image.Image, plan: CropPlan, look: CameraLook, roll: float, random: np.random.Generator
) -> None:
    if plan.companion is None:
        return
    other = _draw(plan, plan.companion, look, roll, random)
    side = 1 if random.random() < 0.5 else -1
    offset = (side * int(random.uniform(55, 120)), int(random.uniform(-14, 4)))
    picture.paste(_shade(other, look, random), offset, other.mask)


def _shade(canvas: Canvas, look: CameraLook, random: np.random.Generator) -> Image.Image:
    """Light from one side, rounder bodies and folds: flat fills would be too easy to match."""
    edge = canvas.mask.resize((CANVAS_WIDTH // 4, CANVAS_HEIGHT // 4)).filter(ImageFilter.GaussianBlur(2.5))
    body = np.asarray(edge.resize((CANVAS_WIDTH, CANVAS_HEIGHT), Image.Resampling.BILINEAR), np.float32) / 255.0
    sideways = np.linspace(look.light_from_left, -look.light_from_left, CANVAS_WIDTH, dtype=np.float32)[None, :]
    folds = (
        smooth_noise(random, CANVAS_WIDTH, CANVAS_HEIGHT, 10) * 0.10
        + smooth_noise(random, CANVAS_WIDTH, CANVAS_HEIGHT, 40) * 0.10
    )
    light = 0.70 + 0.36 * body + sideways + folds
    pixels: npt.NDArray[np.float32] = np.asarray(canvas.image, np.float32) * light[:, :, None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _detector_box(mask: Image.Image, random: np.random.Generator) -> tuple[int, int, int, int]:
    """The box around the person with a detector's errors, kept on the canvas and about as slim as people are."""
    left, top, right, bottom = mask.getbbox() or (0, 0, CANVAS_WIDTH, CANVAS_HEIGHT)
    margins = random.normal(0.025, 0.03, 4) * PERSON_PIXELS
    middle = (left + right) / 2
    half = max((right - left) / 2, 0.15 * (bottom - top))
    return (
        max(0, round(middle - half - margins[0])),
        max(0, round(top - margins[1])),
        min(CANVAS_WIDTH, round(middle + half + margins[2])),
        min(CANVAS_HEIGHT, round(bottom + margins[3])),
    )

"""A rendering of a person that nobody has seen before, as an array."""

from io import BytesIO
from math import pi

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.synthetic.crop import CropPlan, camera_look, render_crop

# Visits are 32-bit parts of a random stream's seed.
_NUM_VISITS = 2**32


def render_fresh_crop(seed: int, person: int, camera: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A numbered person of a network before one of its cameras, on a random visit: uint8 [h, w, 3] of any size."""
    heading = camera_look(seed, camera).walk_yaw + float(random.choice((0.0, pi)))
    companion = int(random.integers(0, 2**31)) if random.random() < 0.5 else None
    plan = CropPlan(
        seed=seed,
        person=person,
        camera=camera,
        visit=int(random.integers(_NUM_VISITS)),
        moment=0,
        heading=heading,
        place=float(random.random()),
        companion=companion,
        timestamp_seconds=float(random.uniform(0, 86_400)),
    )
    with Image.open(BytesIO(render_crop(plan))) as image:
        return np.asarray(image.convert("RGB"), np.uint8)

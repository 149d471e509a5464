"""One crop as a detector would cut it: a person in the view of a camera, photographed."""

from io import BytesIO
from math import pi

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.synthetic.cameras.compression import compress
from training.synthetic.cameras.sensor import develop
from training.synthetic.cameras.site import Site, network_site, scene_light
from training.synthetic.composition import compose
from training.synthetic.random_streams import Stream, random_stream
from training.synthetic.shot import CropPlan

# Of fresh crops: days are busier than nights.
_DAY_SHARE = 0.9


def render_crop(plan: CropPlan) -> bytes:
    """The crop as a JPEG file; the same plan gives the same bytes with the same Pillow and numpy."""
    return _photograph(plan, random_stream(plan.seed, Stream.CROP, plan.person, plan.track, plan.moment))


def render_fresh_crop(seed: int, person: int, camera: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A new picture of somebody of a network in one of its cameras: each time another pose, way, place, hour and box.

    For training that never sees the same rendering twice. A process keeps the views of the last 256 cameras that it
    has drawn (1.6 MB and a seventh of a second each): it does best with some hundred cameras of one seed.

    Args:
        seed: of the network; person and camera look as they do in `SyntheticNetwork(seed, ...)`.
        person: a number, 0 or more; there is no largest.
        camera: likewise.
        random: decides all the rest; the same state gives the same picture.

    Returns:
        [h, w, 3] uint8, RGB, after the camera's JPEG; as tall as people are in that camera, at most about 300.
    """
    site = network_site(seed, camera)
    hour = random.uniform(6.5, 19.5) if random.random() < _DAY_SHARE else random.uniform(20.0, 29.5)
    plan = CropPlan(
        seed=seed,
        person=person,
        camera=camera,
        track=int(random.integers(1 << 30)),
        moment=int(random.integers(8)),
        azimuth=walking_azimuth(site, float(random.choice((0.0, pi))), random),
        place=float(random.uniform(0, 1)),
        aside_meters=float(random.normal(0, 0.4)),
        # Company is a stranger of the crowd, whom nobody has to draw anew.
        companions=(),
        timestamp_seconds=float((random.integers(365) * 24 + hour) * 3600) - site.illumination.utc_offset_seconds,
    )
    with Image.open(BytesIO(_photograph(plan, random))) as image:
        return np.asarray(image.convert("RGB"))


def walking_azimuth(site: Site, heading: float, random: np.random.Generator) -> float:
    """The direction of a walk past a camera: along its path (heading 0) or back (pi), or somewhere across it."""
    if random.random() < site.camera.crossing_share:
        return float(random.uniform(-pi, pi))
    return site.camera.path_azimuth() + heading


def _photograph(plan: CropPlan, random: np.random.Generator) -> bytes:
    site = network_site(plan.seed, plan.camera)
    light, is_infrared = compose(plan, random)
    picture = develop(light, site.sensor, scene_light(site, plan.timestamp_seconds), is_infrared, random)
    return compress(picture, site.compression)

"""The synthetic camera network as a dataset: a sequence of labelled crops in time order."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import overload

from training.datasets.labelled_crop import LabelledCrop
from training.synthetic.cameras.site import network_site
from training.synthetic.crop import render_crop, walking_azimuth
from training.synthetic.random_streams import Stream, random_stream
from training.synthetic.shot import CropPlan
from training.synthetic.walks import Traffic, Visit, schedule_walks


class SyntheticNetwork(Sequence[LabelledCrop]):
    """Procedurally drawn people who walk past cameras alone and in groups.

    The same arguments give the same people, times and crops. A crop is drawn when its image is read, so that
    planning a network costs next to nothing and crops can be drawn in any order or process.

    Args:
        seed: two networks with different seeds share nobody and no camera.
        num_people: at least 1.
        num_cameras: at least 1; people visit two to five of them.
        start_time: Unix seconds of the first group's arrival. It decides the light: 0 is eight in the morning.
        traffic: how busy it is; None for the usual.
    """

    def __init__(
        self, seed: int, num_people: int, num_cameras: int, start_time: float = 0.0, traffic: Traffic | None = None
    ) -> None:
        if seed < 0 or num_people < 1 or num_cameras < 1:
            raise ValueError(
                f"seed={seed}, num_people={num_people}, num_cameras={num_cameras}: "
                "the seed must be 0 or more, the others 1 or more"
            )
        self.seed = seed
        crops = [
            crop
            for visit in schedule_walks(seed, num_people, num_cameras, start_time, traffic or Traffic())
            for crop in _visit_crops(seed, visit)
        ]
        self._crops = sorted(crops, key=lambda crop: (crop.timestamp_seconds, crop.track_id))

    def __len__(self) -> int:
        return len(self._crops)

    @overload
    def __getitem__(self, index: int) -> LabelledCrop: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LabelledCrop]: ...
    def __getitem__(self, index: int | slice) -> LabelledCrop | Sequence[LabelledCrop]:
        return self._crops[index]


def _visit_crops(seed: int, visit: Visit) -> Iterator[LabelledCrop]:
    random = random_stream(seed, Stream.WALK, visit.group, visit.person, visit.number)
    # Who walks together keeps together on the path.
    together = random_stream(seed, Stream.WALK, visit.group, visit.number, 0, 0)
    azimuth = walking_azimuth(network_site(seed, visit.camera), visit.heading, together)
    place, pace = float(together.uniform(0.0, 0.5)), float(together.uniform(0.04, 0.14))
    aside_meters = float(random.normal(0, 0.4))
    for moment, timestamp in enumerate(visit.moments_seconds):
        plan = CropPlan(
            seed=seed,
            person=visit.person,
            camera=visit.camera,
            track=visit.number,
            moment=moment,
            azimuth=azimuth,
            place=min(1.0, place + pace * moment),
            aside_meters=aside_meters,
            companions=visit.companions,
            timestamp_seconds=timestamp,
        )
        yield LabelledCrop(
            person_id=f"person-{visit.person:04d}",
            camera_id=f"camera-{visit.camera:02d}",
            timestamp_seconds=timestamp,
            track_id=f"camera-{visit.camera:02d}-person-{visit.person:04d}-visit-{visit.number}",
            read_image_bytes=partial(render_crop, plan),
        )

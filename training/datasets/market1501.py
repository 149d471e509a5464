"""Market-1501: six cameras before a supermarket, 1,501 people (Zheng et al., ICCV 2015).

Taken at Tsinghua University in 2015, for research only, not for commercial use; whether the people in it
agreed is not known to us.
"""

import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from training.datasets.check_dataset import PublishedSize
from training.datasets.dataset import DISTRACTOR, JUNK, Dataset
from training.datasets.labelled_crop import LabelledCrop, file_crop
from training.datasets.named_images import NamedImage, NamePattern
from training.datasets.split_folders import label_split_images, read_split_folders

TITLE = "Market-1501"
FOLDER_NAME = "Market-1501-v15.09.15"
_NAMES = NamePattern(
    # One published name has its ending twice.
    re.compile(r"(?P<person>-1|\d{4})_c(?P<camera>\d+)s(?P<sequence>\d+)_(?P<frame>\d+)_\d+(\.jpg){1,2}"),
    example="0002_c1s1_000451_03.jpg",
)
_NOBODY = {"-1": JUNK, "0000": DISTRACTOR}
_PUBLISHED = PublishedSize(training=12_936, queries=3_368, gallery=19_732)
_FRAMES_PER_SECOND = 25
# Camera and sequence.
_Recording = tuple[int, int]


def read_market1501(folder: Path) -> Dataset:
    """Read Market-1501 from its folder `Market-1501-v15.09.15`, or from the one that holds it.

    Gallery crops of person -1 are `JUNK`, those of 0000 `DISTRACTOR`. A frame number counts from the start of its
    sequence, at 25 frames a second. Nobody published how sequences lie in time: as in the evaluation of temporal
    lifting by its authors (ShengcaiLiao/TLift), those of a camera follow on each other without a gap, each as long as
    its largest frame number in any of the three parts, junk apart. Cameras all begin at 0.

    Raises:
        OSError: the folder is not there, or cannot be read.
        ValueError: it is not Market-1501; says what was expected and what was found.
    """
    images = read_split_folders(TITLE, folder, (".", FOLDER_NAME), _NAMES)
    starts = _sequence_starts((*images.training, *images.queries, *images.gallery))
    return label_split_images(TITLE, images, partial(_label, starts), _PUBLISHED, has_times=True)


def _sequence_starts(images: Iterable[NamedImage]) -> dict[_Recording, int]:
    """The frame of its camera that each sequence begins at."""
    ends: dict[_Recording, int] = {}
    for image in images:
        known = ends.setdefault(_recording(image), 0)
        if _NOBODY.get(image.fields["person"]) != JUNK:
            ends[_recording(image)] = max(known, int(image.fields["frame"]))
    return {
        (camera, sequence): sum(end for (other, earlier), end in ends.items() if other == camera and earlier < sequence)
        for camera, sequence in ends
    }


def _label(starts: Mapping[_Recording, int], image: NamedImage) -> LabelledCrop:
    person, camera, sequence = image.fields.group("person", "camera", "sequence")
    frame = starts[_recording(image)] + int(image.fields["frame"])
    return file_crop(
        image.path,
        person_id=_NOBODY.get(person, person),
        camera_id=f"c{camera}",
        timestamp_seconds=frame / _FRAMES_PER_SECOND,
        # Distractors and junk are not one person who walks past.
        track_id=image.path.name if person in _NOBODY else f"{person}_c{camera}s{sequence}",
    )


def _recording(image: NamedImage) -> _Recording:
    return int(image.fields["camera"]), int(image.fields["sequence"])

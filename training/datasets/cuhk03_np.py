"""CUHK03 by the new protocol: 767 people to train on, 700 to evaluate (Li et al., CVPR 2014; Zhong et al., CVPR 2017).

Taken at the Chinese University of Hong Kong, for research only; whether the people in it agreed is not known to us.
"""

import re
from enum import StrEnum
from pathlib import Path

from training.datasets.check_dataset import PublishedSize
from training.datasets.dataset import Dataset
from training.datasets.labelled_crop import LabelledCrop, file_crop
from training.datasets.named_images import NamedImage, NamePattern
from training.datasets.split_folders import label_split_images, read_split_folders

FOLDER_NAME = "CUHK03-NP"
_NAMES = NamePattern(
    # Copies differ: some have a further number, some hold JPEGs.
    re.compile(r"(?P<person>\d{4})_c(?P<camera>[12])_\d+(_\d+)?\.(png|jpg)"),
    example="0001_c1_1.png",
)


class Boxes(StrEnum):
    """Who drew the boxes; the value is the folder's name."""

    DETECTED = "detected"
    LABELLED = "labeled"


_PUBLISHED = {
    Boxes.DETECTED: PublishedSize(training=7_365, queries=1_400, gallery=5_332),
    Boxes.LABELLED: PublishedSize(training=7_368, queries=1_400, gallery=5_328),
}


def read_cuhk03_np(folder: Path, boxes: Boxes) -> Dataset:
    """Read CUHK03-NP from its folder of that name, the one that holds it, or its `detected` or `labeled` itself.

    There are no times, junk or distractors. Everybody was seen by two of six cameras; the names tell only which
    of the two it was, as c1 and c2.

    Raises:
        OSError: the folder is not there, or cannot be read.
        ValueError: it is not CUHK03-NP; says what was expected and what was found.
    """
    title = f"{FOLDER_NAME} ({boxes})"
    # By its name: what is inside of the two does not tell them apart.
    is_itself = folder.absolute().name == boxes
    places = (".",) if is_itself else (boxes, f"{FOLDER_NAME}/{boxes}")
    images = read_split_folders(title, folder, places, _NAMES)
    return label_split_images(title, images, _label, _PUBLISHED[boxes], has_times=False)


def _label(image: NamedImage) -> LabelledCrop:
    person, camera = image.fields.group("person", "camera")
    return file_crop(
        image.path,
        person_id=person,
        camera_id=f"c{camera}",
        timestamp_seconds=0.0,
        track_id=f"{person}_c{camera}",
    )

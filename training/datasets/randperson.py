"""RandPerson: 8,000 computer-drawn people in eleven scenes, to train on (Wang, Liao & Shao, ACM Multimedia 2020).

Drawn with MakeHuman and Unity: it shows nobody.
"""

import re
from pathlib import Path

from training.datasets.check_dataset import PublishedSize, warn_of_other_size
from training.datasets.dataset import Dataset
from training.datasets.dataset_folder import find_dataset_folder
from training.datasets.labelled_crop import LabelledCrop, file_crop
from training.datasets.named_images import NamedImage, NamePattern, list_named_images

TITLE = "RandPerson"
FOLDER_NAME = "randperson_subset"
_NAMES = NamePattern(
    re.compile(r"(?P<person>\d+)_s(?P<scene>\d+)_c(?P<camera>\d+)_f(?P<frame>\d+)\.jpg"),
    example="000000_s00_c00_f000264.jpg",
)
_PUBLISHED = PublishedSize(training=132_145, queries=0, gallery=0)
# As the authors count in their training code (ShengcaiLiao/QAConv).
_FRAMES_PER_SECOND = 24
_SECONDS_BETWEEN_SCENES = 86_400


def read_randperson(folder: Path) -> Dataset:
    """Read the published subset from its folder `randperson_subset`, or from the one that holds it.

    All of it is for training: there are no queries and no gallery. Camera numbers begin anew in every scene, so that a
    camera's ID has both. Times hold within a scene, whose cameras share a clock of 24 frames a second. The scenes begin
    a day apart, so that nobody of one is near anybody of another; the authors' code gives each its own start too, of
    which the furthest apart are 15 hours.

    Raises:
        OSError: the folder is not there, or cannot be read.
        ValueError: it is not RandPerson; says what was expected and what was found.
    """
    found = find_dataset_folder(TITLE, folder, (".",), ())
    if (found / FOLDER_NAME).is_dir():
        found /= FOLDER_NAME
    training = [_label(image) for image in list_named_images(found, _NAMES)]
    dataset = Dataset(name=TITLE, training=training, queries=(), gallery=(), has_times=True)
    warn_of_other_size(dataset, _PUBLISHED, found)
    return dataset


def _label(image: NamedImage) -> LabelledCrop:
    person, scene, camera, frame = image.fields.group("person", "scene", "camera", "frame")
    return file_crop(
        image.path,
        person_id=person,
        camera_id=f"s{scene}_c{camera}",
        timestamp_seconds=int(scene) * _SECONDS_BETWEEN_SCENES + int(frame) / _FRAMES_PER_SECOND,
        track_id=f"{person}_s{scene}_c{camera}",
    )

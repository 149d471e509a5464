"""DukeMTMC-reID: eight cameras on a campus, 1,812 people (Ristani et al., ECCVW 2016; Zheng et al., ICCV 2017).

Its authors withdrew the recordings in 2019, for they were published without the consent of the people in them. It is
read for comparison with published figures alone, by those who hold a copy and may use it; better train on another.
"""

import logging
import re
from pathlib import Path

from training.datasets.check_dataset import PublishedSize
from training.datasets.dataset import Dataset
from training.datasets.labelled_crop import LabelledCrop, file_crop
from training.datasets.named_images import NamedImage, NamePattern
from training.datasets.split_folders import label_split_images, read_split_folders

TITLE = "DukeMTMC-reID"
FOLDER_NAME = "DukeMTMC-reID"
_NAMES = NamePattern(
    re.compile(r"(?P<person>\d{4})_c(?P<camera>[1-8])_f(?P<frame>\d+)\.jpg"), example="0001_c2_f0046182.jpg"
)
_PUBLISHED = PublishedSize(training=16_522, queries=2_228, gallery=17_661)
_FRAMES_PER_SECOND = 59.94
# The frame of the common clock that is frame 1 of cameras 1 to 8, as published with DukeMTMC.
_START_FRAMES = (5543, 3607, 27244, 31182, 1, 22402, 18968, 46766)
_log = logging.getLogger(__name__)


def read_dukemtmc_reid(folder: Path) -> Dataset:
    """Read DukeMTMC-reID from its folder of that name, or from the one that holds it; logs that it was withdrawn.

    There is no junk. Gallery crops of the 408 people whom one camera alone saw keep their persons: nobody searches for
    them, so that they distract as they are. Times are frames of the clock that all cameras share, from 0, at 59.94
    frames a second.

    Raises:
        OSError: the folder is not there, or cannot be read.
        ValueError: it is not DukeMTMC-reID; says what was expected and what was found.
    """
    images = read_split_folders(TITLE, folder, (".", FOLDER_NAME), _NAMES)
    _log.warning(
        "%s was withdrawn by its authors in 2019, for the people in it had not agreed to its publication: "
        "use it to compare with published figures alone, and prefer another for training",
        TITLE,
    )
    return label_split_images(TITLE, images, _label, _PUBLISHED, has_times=True)


def _label(image: NamedImage) -> LabelledCrop:
    person, camera, frame = image.fields.group("person", "camera", "frame")
    common_frame = _START_FRAMES[int(camera) - 1] - 1 + int(frame)
    return file_crop(
        image.path,
        person_id=person,
        camera_id=f"c{camera}",
        timestamp_seconds=common_frame / _FRAMES_PER_SECOND,
        track_id=f"{person}_c{camera}",
    )

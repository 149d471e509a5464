"""MSMT17: fifteen cameras on a campus on four days, 4,101 people (Wei et al., CVPR 2018).

Given by its authors on request, for research only; since version 2 faces are masked. Whether the people in it
agreed is not known to us.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from training.datasets.check_dataset import PublishedSize, check_persons, warn_of_other_size
from training.datasets.dataset import Dataset
from training.datasets.dataset_folder import find_dataset_folder, list_entries
from training.datasets.labelled_crop import LabelledCrop, file_crop
from training.datasets.named_images import NamePattern, parse_image_name

TITLE = "MSMT17"
TRAINING_LISTS = ("list_train.txt", "list_val.txt")
QUERY_LIST, GALLERY_LIST = "list_query.txt", "list_gallery.txt"
_FOLDER_NAMES = ("MSMT17_V1", "MSMT17_V2")
# Of version 1 and of version 2: training and test.
_IMAGE_FOLDERS = (("train", "test"), ("mask_train_v2", "mask_test_v2"))
_NAMES = NamePattern(
    re.compile(r"\d+_\d+_(?P<camera>\d{2})_(?P<period>\d{4}(morning|noon|afternoon))_\d+_\d+(_ex)?\.jpg"),
    example="0000_000_01_0303morning_0008_0.jpg",
)
_PUBLISHED = PublishedSize(training=32_621, queries=11_659, gallery=82_161)
_LIST_LINE = re.compile(r"(?P<file>\S+)\s+(?P<person>\d+)")


def read_msmt17(folder: Path) -> Dataset:
    """Read version 1 or 2 from its folder `MSMT17_V1` or `MSMT17_V2`, or from the one that holds it.

    Training is `list_train.txt` and `list_val.txt` together, as the paper counts it: both show the same 1,041 people.
    The numbers of persons begin anew in the test part, so that a person's ID has the part before it. There is no junk.

    There are no times that could be lifted with: a name gives the day and whether it was morning, noon or afternoon,
    and what its two last numbers mean was not published. All timestamps are 0, and day and period are in the track.

    Raises:
        OSError: the folder is not there, or cannot be read.
        ValueError: it is not MSMT17; says what was expected and what was found.
    """
    lists = (*TRAINING_LISTS, QUERY_LIST, GALLERY_LIST)
    found = find_dataset_folder(TITLE, folder, (".", *_FOLDER_NAMES), lists)
    training, test = _find_image_folders(found)
    dataset = Dataset(
        name=TITLE,
        training=[crop for name in TRAINING_LISTS for crop in _read_list(found / name, training, "train")],
        queries=list(_read_list(found / QUERY_LIST, test, "test")),
        gallery=list(_read_list(found / GALLERY_LIST, test, "test")),
        has_times=False,
    )
    check_persons(dataset, found)
    warn_of_other_size(dataset, _PUBLISHED, found)
    return dataset


def _find_image_folders(folder: Path) -> tuple[Path, Path]:
    found = [(folder / a, folder / b) for a, b in _IMAGE_FOLDERS if (folder / a).is_dir() and (folder / b).is_dir()]
    if len(found) != 1:
        expected = " or ".join(f"{training} and {test}" for training, test in _IMAGE_FOLDERS)
        raise ValueError(f"{folder} should hold the folders {expected}, but holds {list_entries(folder)}")
    return found[0]


def _read_list(list_path: Path, images: Path, part: str) -> Iterator[LabelledCrop]:
    lines = [line.strip() for line in list_path.read_text(encoding="utf-8").splitlines()]
    if not any(lines):
        raise ValueError(f"{list_path} is empty; expected lines such as 0000/{_NAMES.example} 0")
    for number, line in enumerate(lines, start=1):
        if line:
            try:
                yield _read_line(line, images, part)
            except ValueError as error:
                raise ValueError(f"{list_path}, line {number}: {error}") from error


def _read_line(line: str, images: Path, part: str) -> LabelledCrop:
    entry = _LIST_LINE.fullmatch(line)
    if entry is None:
        raise ValueError(f"{line!r} is not a file and a person; expected such as 0000/{_NAMES.example} 0")
    image = parse_image_name(images / entry["file"], _NAMES)
    if not image.path.is_file():
        raise ValueError(f"{image.path} is listed, but is not there")
    camera, period = image.fields.group("camera", "period")
    person = f"{part}_{int(entry['person']):04d}"
    return file_crop(
        image.path,
        person_id=person,
        camera_id=f"c{camera}",
        timestamp_seconds=0.0,
        track_id=f"{person}_c{camera}_{period}",
    )

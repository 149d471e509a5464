"""The layout that Market-1501 began: folders bounding_box_train, query and bounding_box_test of named images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.datasets.check_dataset import PublishedSize, check_persons, warn_of_other_size
from training.datasets.dataset import Dataset
from training.datasets.dataset_folder import find_dataset_folder
from training.datasets.labelled_crop import LabelledCrop
from training.datasets.named_images import NamedImage, NamePattern, list_named_images

TRAINING_FOLDER, QUERY_FOLDER, GALLERY_FOLDER = "bounding_box_train", "query", "bounding_box_test"


@dataclass(frozen=True, slots=True)
class SplitImages:
    """The images of the three folders below `folder`, each part by name."""

    folder: Path
    training: Sequence[NamedImage]
    queries: Sequence[NamedImage]
    gallery: Sequence[NamedImage]


def read_split_folders(title: str, folder: Path, places: Sequence[str], names: NamePattern) -> SplitImages:
    """Find and list the three folders; the arguments are those of `find_dataset_folder` and `list_named_images`.

    Raises:
        OSError: `folder` is not there, or cannot be read.
        ValueError: one of the three is missing, empty, or holds images with other names.
    """
    found = find_dataset_folder(title, folder, places, (TRAINING_FOLDER, QUERY_FOLDER, GALLERY_FOLDER))
    return SplitImages(
        folder=found,
        training=list_named_images(found / TRAINING_FOLDER, names),
        queries=list_named_images(found / QUERY_FOLDER, names),
        gallery=list_named_images(found / GALLERY_FOLDER, names),
    )


def label_split_images(
    title: str,
    images: SplitImages,
    label: Callable[[NamedImage], LabelledCrop],
    published: PublishedSize,
    *,
    has_times: bool,
) -> Dataset:
    """The dataset of labelled images.

    Raises:
        ValueError: it was mixed up; see `check_persons`.
    """
    dataset = Dataset(
        name=title,
        training=[label(image) for image in images.training],
        queries=[label(image) for image in images.queries],
        gallery=[label(image) for image in images.gallery],
        has_times=has_times,
    )
    check_persons(dataset, images.folder)
    warn_of_other_size(dataset, published, images.folder)
    return dataset

"""One's own crops as a dataset: which of them are trained on, searched for, and searched."""

from collections.abc import Sequence
from pathlib import Path

from training.datasets.check_dataset import check_persons
from training.datasets.crop_folder import GALLERY, QUERY, TRAINING, ManifestRow, find_manifest, read_manifest
from training.datasets.dataset import DISTRACTOR, JUNK, Dataset
from training.datasets.labelled_crop import LabelledCrop


def read_crop_dataset(path: Path) -> Dataset:
    """Read a CSV of one's own crops, or the `detections.csv` of a folder; see `read_manifest` for its columns.

    With a column `split`, each crop is where that says: `train`, `query` or `gallery`. People to train on must not be
    among the others. A gallery crop of the person `distractor` is a wrong match of everybody, one of the person `junk`
    counts neither as right nor as wrong.

    Without it, all crops are trained on when they are for training; when they are for evaluation, the first crop of
    every track in the order of the CSV is searched for among all crops. A checkpoint must not be evaluated on the crops
    that it was trained on: keep two CSVs, or give the column.

    Whoever has no times gives all crops the same one: the dataset is then one without times.

    Raises:
        OSError: there is no CSV, or it cannot be read.
        ValueError: it is not understood (see `read_manifest`), its split is mixed up (see `check_persons`), or it shows
            nobody.
    """
    manifest_path = find_manifest(path)
    rows = read_manifest(manifest_path)
    name = manifest_path.absolute().parent.name if path.is_dir() else manifest_path.stem
    if rows[0].split is None:
        dataset = _dataset_without_split(name, rows)
        if not dataset.training:
            raise ValueError(f"{manifest_path} lists {DISTRACTOR} and {JUNK} alone: expected crops of people too")
        return dataset
    dataset = Dataset(
        name=name,
        training=_select(rows, TRAINING),
        queries=_select(rows, QUERY),
        gallery=_select(rows, GALLERY),
        has_times=_has_times(rows),
    )
    check_persons(dataset, manifest_path)
    return dataset


def _dataset_without_split(name: str, rows: Sequence[ManifestRow]) -> Dataset:
    crops = [row.crop for row in rows]
    people = [crop for crop in crops if crop.person_id not in (DISTRACTOR, JUNK)]
    first_of_tracks: dict[str, LabelledCrop] = {}
    for crop in people:
        first_of_tracks.setdefault(crop.track_id, crop)
    queries = list(first_of_tracks.values())
    return Dataset(name=name, training=people, queries=queries, gallery=crops, has_times=_has_times(rows))


def _has_times(rows: Sequence[ManifestRow]) -> bool:
    return len({row.crop.timestamp_seconds for row in rows}) > 1


def _select(rows: Sequence[ManifestRow], split: str) -> list[LabelledCrop]:
    return [row.crop for row in rows if row.split == split]

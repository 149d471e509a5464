import logging
from pathlib import Path

import pytest

from training.datasets.check_dataset import PublishedSize, check_persons, warn_of_other_size
from training.datasets.dataset import DISTRACTOR, JUNK, Dataset
from training.datasets.labelled_crop import LabelledCrop, file_crop


def crops(*persons: str) -> list[LabelledCrop]:
    return [
        file_crop(Path(f"{person}.jpg"), person_id=person, camera_id="c1", timestamp_seconds=0.0, track_id=person)
        for person in persons
    ]


def dataset(training: list[LabelledCrop], queries: list[LabelledCrop], gallery: list[LabelledCrop]) -> Dataset:
    return Dataset("Some-Set", training, queries, gallery, has_times=False)


def test_different_people_with_junk_and_distractors_in_the_gallery_will_do() -> None:
    check_persons(dataset(crops("1", "2"), crops("3"), crops("3", "4", JUNK, DISTRACTOR)), Path("here"))
    check_persons(dataset(crops("1"), [], []), Path("here"))


def test_people_both_trained_on_and_evaluated_are_told() -> None:
    with pytest.raises(ValueError, match="both in training") as caught:
        check_persons(dataset(crops("1", "2", "3", "4", "5"), crops("1"), crops("1", "2", "4", "5")), Path("here"))
    assert str(caught.value).startswith(
        "here has 4 persons both in training and in the queries or gallery (1, 2, 4, ...): expected different people"
    )


@pytest.mark.parametrize("nobody", [JUNK, DISTRACTOR])
def test_nobody_is_neither_trained_on_nor_searched_for(nobody: str) -> None:
    with pytest.raises(ValueError, match=f"{nobody}.jpg is {nobody} among the training: expected it in the gallery"):
        check_persons(dataset(crops("1", nobody), crops("2"), crops("2")), Path("here"))
    with pytest.raises(ValueError, match=f"{nobody}.jpg is {nobody} among the queries"):
        check_persons(dataset(crops("1"), crops(nobody), crops("2")), Path("here"))


def test_queries_need_a_gallery_and_a_gallery_queries() -> None:
    with pytest.raises(ValueError, match="here has 1 queries and 0 gallery crops: expected both, or neither"):
        check_persons(dataset([], crops("2"), []), Path("here"))
    with pytest.raises(ValueError, match="here has 0 queries and 2 gallery crops"):
        check_persons(dataset([], [], crops("2", "2")), Path("here"))


def test_another_size_than_published_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    found = dataset(crops("1"), crops("2"), crops("2", "3"))
    with caplog.at_level(logging.WARNING):
        warn_of_other_size(found, PublishedSize(training=1, queries=1, gallery=2), Path("here"))
        assert not caplog.messages
        warn_of_other_size(found, PublishedSize(training=1, queries=1, gallery=3), Path("here"))
    assert caplog.messages == [
        "Some-Set as published has 1 training crops, 1 queries and 3 gallery crops, but here has 1, 1 and 2: "
        "figures cannot be compared with published ones"
    ]

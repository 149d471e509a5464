import pytest

from demo.camera_network import NUM_PEOPLE, NUM_QUERIES, divide, draw_network
from training.datasets.labelled_crop import LabelledCrop


def crop(person: str, camera: str, second: float) -> LabelledCrop:
    return LabelledCrop(person, camera, second, f"{camera}-{person}", f"{person} {camera} {second}".encode)


def test_queries_are_of_people_whom_several_cameras_saw_and_are_no_part_of_the_gallery() -> None:
    crops = [crop("a", "c1", 0), crop("a", "c1", 1), crop("b", "c1", 2), crop("b", "c1", 3), crop("a", "c2", 4)]
    division = divide(crops, 1)
    assert division.queries == [crops[1]]
    assert division.gallery == [crops[0], *crops[2:]]


def test_too_few_people_are_refused() -> None:
    with pytest.raises(ValueError, match="2 queries need as many people seen by two cameras; there are 1"):
        divide([crop("a", "c1", 0), crop("a", "c2", 1), crop("b", "c1", 2)], 2)


def test_the_demos_own_network() -> None:
    division = draw_network()
    assert len(division.queries) == NUM_QUERIES >= 20
    assert len({query.person_id for query in division.queries}) == NUM_QUERIES
    assert len({query.camera_id for query in division.queries}) > 3
    assert len({each.person_id for each in division.gallery}) == NUM_PEOPLE
    for query in division.queries:
        others = [each for each in division.gallery if each.person_id == query.person_id]
        assert any(each.camera_id != query.camera_id for each in others)


def test_the_demos_network_is_the_same_every_time() -> None:
    first, second = draw_network(), draw_network()
    assert [query.read_image_bytes() for query in first.queries[:2]] == [
        query.read_image_bytes() for query in second.queries[:2]
    ]
    assert [each.timestamp_seconds for each in first.gallery] == [each.timestamp_seconds for each in second.gallery]

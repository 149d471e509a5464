from datetime import UTC, datetime

from demo.queries import AskedQuery, Match, count_right, is_right
from training.datasets.labelled_crop import LabelledCrop


def match(person: str) -> Match:
    return Match(
        rank=1,
        detection_id="d",
        camera_id="c2",
        timestamp=datetime(2026, 11, 20, tzinfo=UTC),
        person_id=person,
        score=0.5,
        appearance_score=0.5,
        temporal_score=None,
    )


def asked(person: str, without_lifting: list[str], with_lifting: list[str]) -> AskedQuery:
    crop = LabelledCrop(person, "c1", 0.0, "t", lambda: b"")
    return AskedQuery(crop, [match(each) for each in without_lifting], [match(each) for each in with_lifting])


def test_only_the_first_match_counts() -> None:
    queries = [asked("a", ["b", "a"], ["a", "b"]), asked("b", ["b"], ["b"]), asked("c", [], [])]
    assert count_right(queries) == (1, 2)


def test_right_is_the_same_person() -> None:
    query = asked("a", ["b"], ["a"])
    assert [is_right(query, each) for each in (*query.without_lifting, *query.with_lifting)] == [False, True]

import pytest

from service.storage.metadata.redis_keys import RedisKeys

KEYS = RedisKeys("qaconv:")


def test_a_detection_belongs_to_the_sets_of_its_labels() -> None:
    assert KEYS.memberships({"camera_id": "c:1", "person_id": "p"}) == [
        "qaconv:times",
        "qaconv:camera:c:1:times",
        "qaconv:person:p:times",
    ]
    assert KEYS.memberships({"camera_id": "c", "track_id": "t"})[2:] == ["qaconv:track:t:times"]
    assert KEYS.memberships({}) == ["qaconv:times"]


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("qaconv:detection:times", "hash"),
        ("qaconv:detection:camera:c:times", "hash"),
        ("qaconv:times", "zset"),
        ("qaconv:camera:detection:times", "zset"),
        ("qaconv:track:a:b:times", "zset"),
        ("qaconv:cameras", "set"),
        ("qaconv:in_step", None),
        ("qaconv:camera:c", None),
        ("qaconv:rate:c:times", None),
        ("other:times", None),
    ],
)
def test_a_key_is_read_in_one_way(key: str, kind: str | None) -> None:
    assert KEYS.type_of(key) == kind


def test_the_detection_of_a_key() -> None:
    assert KEYS.detection_id_of("qaconv:detection:a:b") == "a:b"
    assert KEYS.detection_id_of("qaconv:times") is None


def test_the_pattern_means_the_prefix_literally() -> None:
    assert RedisKeys("a[1]*?\\:").pattern == "a\\[1\\]\\*\\?\\\\:*"

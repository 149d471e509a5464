from dataclasses import replace

import pytest

from service.errors import Unavailable
from service.records import DetectionMetadata
from service.storage.metadata.metadata_hash import from_hash, to_hash

METADATA = DetectionMetadata("a:1", "c1", -5, "t", "p", 60, 160, "image/png", "ff", 2**53)


def test_metadata_come_back_as_they_went() -> None:
    for metadata in (METADATA, replace(METADATA, track_id=None), replace(METADATA, person_id=None)):
        assert from_hash(to_hash(metadata)) == metadata
    assert "track_id" not in to_hash(replace(METADATA, track_id=None))


def test_fields_of_other_programs_are_left_alone() -> None:
    assert from_hash({**to_hash(METADATA), "colour": "red"}) == METADATA


def test_a_damaged_hash_says_what_to_do() -> None:
    fields = to_hash(METADATA)
    del fields["camera_id"]
    with pytest.raises(Unavailable, match=r"'a:1' is damaged: it is written anew"):
        from_hash(fields)
    with pytest.raises(Unavailable, match="is damaged"):
        from_hash({**to_hash(METADATA), "timestamp_us": "soon"})

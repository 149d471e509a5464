import json
from dataclasses import fields, replace

import numpy as np
import pytest

from service.records import DetectionMetadata
from service.storage.record_encoding import (
    DamagedRecord,
    decode_feature_map,
    decode_metadata,
    encode_feature_map,
    encode_metadata,
)

METADATA = DetectionMetadata("a:1", "c1", -5, "t", None, 60, 160, "image/png", "ff", 7)


@pytest.mark.parametrize("metadata", [METADATA, replace(METADATA, track_id=None, person_id="p", timestamp_us=2**53)])
def test_metadata_come_back_as_they_went(metadata: DetectionMetadata) -> None:
    assert decode_metadata(encode_metadata(metadata)) == metadata


def test_metadata_say_their_version_and_every_field() -> None:
    written = json.loads(encode_metadata(METADATA))
    assert written.pop("version") == 1
    assert list(written) == [each.name for each in fields(DetectionMetadata)]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[1]", "JSON list"),
        (b"{}", "version None; this service reads version 1"),
        (encode_metadata(METADATA).replace(b'"version":1', b'"version":2'), "version 2"),
        (encode_metadata(METADATA).replace(b'"camera_id"', b'"camera"'), r"\['camera', 'camera_id'\]"),
        (encode_metadata(METADATA).replace(b'"timestamp_us":-5', b'"timestamp_us":-5.5'), r"timestamp_us is -5\.5"),
        (encode_metadata(METADATA).replace(b'"image_width":60', b'"image_width":true'), "image_width is True"),
        (encode_metadata(METADATA).replace(b'"camera_id":"c1"', b'"camera_id":null'), "camera_id is None"),
    ],
)
def test_other_metadata_are_damaged(value: bytes, message: str) -> None:
    with pytest.raises(DamagedRecord, match=message):
        decode_metadata(value)


@pytest.mark.parametrize("shape", [(128, 24, 8), (1, 1, 1), (2, 3, 5)])
def test_feature_maps_come_back_bit_for_bit(shape: tuple[int, int, int]) -> None:
    feature_map = np.random.default_rng(0).standard_normal(shape).astype(np.float16)
    value = encode_feature_map(feature_map[:, ::-1])  # a view that is not contiguous
    again = decode_feature_map(memoryview(value))
    assert again.dtype == np.float16
    assert again.flags.owndata or again.base.flags.owndata
    np.testing.assert_array_equal(again.view(np.uint16), feature_map[:, ::-1].copy().view(np.uint16))


def test_feature_maps_are_little_endian() -> None:
    assert encode_feature_map(np.ones((1, 1, 1), np.float16)) == b"FMP1" + bytes([1, 0, 0, 0]) * 3 + b"\x00\x3c"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"", "0 bytes"),
        (b"\x93NUMPY" + bytes(100), "begins with"),
        (encode_feature_map(np.ones((2, 3, 5), np.float16))[:-1], "75 bytes, not 76"),
        (encode_feature_map(np.ones((2, 3, 5), np.float16)) + b"\0", "77 bytes, not 76"),
    ],
)
def test_other_feature_maps_are_damaged(value: bytes, message: str) -> None:
    with pytest.raises(DamagedRecord, match=message):
        decode_feature_map(value)


@pytest.mark.parametrize("feature_map", [np.ones((2, 3), np.float16), np.ones((2, 3, 5), np.float32)])
def test_what_is_no_feature_map_is_not_written(feature_map: np.ndarray) -> None:
    with pytest.raises(ValueError, match="float16"):
        encode_feature_map(feature_map)

import json
from dataclasses import fields, replace
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.records import DetectionMetadata, DetectionRecord
from service.storage.record_encoding import (
    DamagedRecord,
    EncodedRecord,
    RecordHeader,
    check_part,
    decode_feature_map,
    decode_header,
    decode_key,
    decode_metadata,
    encode_feature_map,
    encode_header,
    encode_key,
    encode_record,
)
from tests.service.storage.first_format import OLD_CROP, OLD_FEATURE_MAP, OLD_METADATA, OLD_RECORD

METADATA = DetectionMetadata("a:1", "c1", -5, "t", None, 60, 160, "image/png", "ff", 7)


@pytest.mark.parametrize("metadata", [METADATA, replace(METADATA, track_id=None, person_id="p", timestamp_us=2**53)])
def test_metadata_come_back_as_they_went(metadata: DetectionMetadata) -> None:
    header = RecordHeader(metadata, "ab", "cd")
    assert decode_header(encode_header(header)) == header
    assert decode_metadata(encode_header(header)) == metadata


def test_metadata_say_their_version_and_every_field_behind_their_checksum() -> None:
    value = encode_header(RecordHeader(METADATA, "ab", "cd"))
    assert value[:4] == b"QAM2"
    assert value[4:36] == sha256(value[36:]).digest()
    written = json.loads(value[36:])
    assert written.pop("version") == 2
    assert list(written) == [*(each.name for each in fields(DetectionMetadata)), "feature_map_sha256", "crop_sha256"]
    assert (written["feature_map_sha256"], written["crop_sha256"]) == ("ab", "cd")


def test_a_record_of_the_first_format_is_read_without_checksums() -> None:
    header = decode_header(OLD_METADATA)
    assert header == RecordHeader(OLD_RECORD.metadata, None, None)
    check_part("crop", OLD_CROP, header.crop_sha256)
    np.testing.assert_array_equal(decode_feature_map(OLD_FEATURE_MAP), OLD_RECORD.feature_map)
    assert encode_feature_map(OLD_RECORD.feature_map) == OLD_FEATURE_MAP


# SHA-256 of "abc" is the first example of FIPS 180-2.
def test_the_checksum_of_a_part_is_its_sha256() -> None:
    metadata = replace(METADATA, detection_id="x")
    encoded = encode_record(DetectionRecord(metadata, np.ones((1, 1, 1), np.float16), b"abc"))
    header = decode_header(encoded.metadata)
    assert header.crop_sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    check_part("crop", encoded.crop, header.crop_sha256)
    check_part("feature map", memoryview(encoded.feature_map), header.feature_map_sha256)
    with pytest.raises(DamagedRecord, match="the crop's SHA-256"):
        check_part("crop", b"abd", header.crop_sha256)


def read_strictly(record: EncodedRecord) -> None:
    header = decode_header(record.metadata)
    check_part("feature map", record.feature_map, header.feature_map_sha256)
    check_part("crop", record.crop, header.crop_sha256)


@given(at=st.integers(0, 10**6), change=st.integers(1, 255), part=st.sampled_from(["metadata", "feature_map", "crop"]))
def test_every_changed_byte_is_found(at: int, change: int, part: str) -> None:
    record = DetectionRecord(METADATA, np.arange(30, dtype=np.float16).reshape(2, 3, 5), b"a crop" * 20)
    encoded = encode_record(record)
    value = bytearray(getattr(encoded, part))
    value[at % len(value)] ^= change
    damaged = replace(encoded, **{part: bytes(value)})
    with pytest.raises(DamagedRecord):
        read_strictly(damaged)


@given(length=st.integers(0, 400))
def test_metadata_that_were_cut_are_found(length: int) -> None:
    value = encode_header(RecordHeader(METADATA, "a" * 64, "b" * 64))
    with pytest.raises(DamagedRecord):
        decode_header(value[: min(length, len(value) - 1)])


@pytest.mark.parametrize("key", [b"a:1", bytes(range(1, 256))])
def test_any_key_has_an_id_and_any_id_its_key(key: bytes) -> None:
    assert encode_key(decode_key(key)) == key


def checked(text: bytes) -> bytes:
    return b"QAM2" + sha256(text).digest() + text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"", "neither"),
        (b"{\xff", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "neither"),
        (checked(b"[1]"), "JSON list"),
        (b"{}", "version None, not 1"),
        (OLD_METADATA.replace(b'"version":1', b'"version":2'), "version 2, not 1"),
        (checked(OLD_METADATA), "version 1, not 2"),
        (b"QAM2" + bytes(32) + OLD_METADATA, "SHA-256"),
        (OLD_METADATA.replace(b'"camera_id"', b'"camera"'), r"\['camera', 'camera_id'\]"),
        (OLD_METADATA.replace(b'_us":1790000000000000', b'_us":-5.5'), r"timestamp_us is -5\.5"),
        (OLD_METADATA.replace(b'"image_width":60', b'"image_width":true'), "image_width is True"),
        (OLD_METADATA.replace(b'"camera_id":"c1"', b'"camera_id":null'), "camera_id is None"),
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


@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
def test_a_feature_map_that_is_not_finite_is_damaged(value: float) -> None:
    feature_map = np.full((2, 3, 5), np.finfo(np.float16).max, np.float16)
    feature_map[0] *= -1
    np.testing.assert_array_equal(decode_feature_map(encode_feature_map(feature_map)), feature_map)
    feature_map[1, 2, 3] = value
    with pytest.raises(DamagedRecord, match="infinite or no numbers"):
        decode_feature_map(encode_feature_map(feature_map))


@pytest.mark.parametrize("feature_map", [np.ones((2, 3), np.float16), np.ones((2, 3, 5), np.float32)])
def test_what_is_no_feature_map_is_not_written(feature_map: np.ndarray) -> None:
    with pytest.raises(ValueError, match="float16"):
        encode_feature_map(feature_map)

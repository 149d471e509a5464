"""What an entry of the stream may hold: as a PUT's form, with the same messages."""

import pytest

from service.api.stream_entries import stream_entry_reader
from service.errors import InvalidField, LimitExceeded
from service.ingest.ingest_detection import NewDetection
from service.storage.stream_entry import StreamEntry

read = stream_entry_reader(1000)
GOOD = {b"image": b"\xff\xd8picture", b"camera_id": b"c1", b"timestamp": b"2026-11-20T10:00:00Z"}


def entry(*more: tuple[bytes, bytes], **changes: bytes | None) -> StreamEntry:
    fields = GOOD | {name.encode(): value for name, value in changes.items()}
    return StreamEntry("1-0", (*((name, value) for name, value in fields.items() if value is not None), *more))


def test_a_detection_with_nothing_but_what_it_needs() -> None:
    assert read(entry()) == NewDetection(None, "c1", 1_795_168_800_000_000, None, None, b"\xff\xd8picture")


def test_a_detection_with_everything() -> None:
    everything = entry(
        timestamp=b"1795168800.5",
        detection_id=b"d1",
        track_id=b"t1",
        person_id=b"p1",
        traceparent=b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    assert read(everything) == NewDetection("d1", "c1", 1_795_168_800_500_000, "t1", "p1", b"\xff\xd8picture")


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        (entry(camera_id=None), "camera_id", "is missing"),
        (entry(image=None), "image", "is missing"),
        (entry(timestamp=None), "timestamp", "is missing"),
        (entry(camera_id=b"a b"), "camera_id", "'a b' is not an ID: send 1 to 128 of the characters"),
        (entry(track_id=b""), "track_id", "'' is not an ID"),
        (entry(person_id=b"\xff\xfe"), "person_id", "is not text in UTF-8"),
        (entry(timestamp=b"2026-11-20T10:00:00"), "timestamp", "has no offset from UTC"),
        (entry(timestamp=b"-1"), "timestamp", "is outside the times that are kept"),
        (entry(camera=b"c1"), "camera", "is not a field of this call"),
        (entry((b"\xff", b"")), r"\xff", "is not a field of this call"),
        (entry((b"camera_id", b"c2")), "camera_id", "was sent more than once"),
        (entry((b"image", b"another")), "image", "was sent more than once"),
        (entry(traceparent=b"x" * 513), "traceparent", "at most 512 characters"),
    ],
)
def test_what_is_wrong_is_named(wrong: StreamEntry, field: str, message: str) -> None:
    with pytest.raises(InvalidField) as caught:
        read(wrong)
    (error,) = caught.value.field_errors
    assert error.field == field
    assert message in error.message


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(InvalidField) as caught:
        read(StreamEntry("1-0", ((b"camera_id", b"/"), (b"camra", b"c1"))))
    assert sorted(wrong.field for wrong in caught.value.field_errors) == ["camera_id", "camra", "image", "timestamp"]


def test_an_entry_is_as_large_as_all_its_names_and_values() -> None:
    # image 5 + camera_id 9 + c1 2 + timestamp 9 + the time 20
    largest = 1000 - 45
    assert len(read(entry(image=b"x" * largest)).image) == largest
    with pytest.raises(LimitExceeded, match=r"1001 bytes, at most 1000"):
        read(entry(image=b"x" * (largest + 1)))

"""What a camera worker does: appends detections to the stream."""

from collections.abc import Mapping

import redis

from tests.service.drawn_crops import crop_file

STREAM_KEY = "qaconv:ingest"
TIME = 1_760_000_000


def entry(number: int, **changes: "str | bytes | None") -> dict[str, str | bytes]:
    """The fields of an entry; a change of None leaves the field out."""
    fields: Mapping[str, str | bytes | None] = {
        "image": crop_file(number),
        "camera_id": f"c{number % 3}",
        "timestamp": str(TIME + number),
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def append(client: "redis.Redis", number: int, **changes: "str | bytes | None") -> str:
    """Appends one entry and returns its ID in the stream."""
    entry_id: bytes | str = client.xadd(STREAM_KEY, entry(number, **changes))
    return entry_id if isinstance(entry_id, str) else entry_id.decode()

"""A detection's metadata as the fields of a Redis hash, and back. A field without a value is left out."""

from collections.abc import Mapping, Sequence
from dataclasses import fields as fields_of

from redis.asyncio import Redis

from service.errors import Unavailable
from service.records import DetectionMetadata
from service.storage.metadata.redis_keys import RedisKeys

_READ_AT_ONCE = 500
_NAMES = tuple(field.name for field in fields_of(DetectionMetadata))


def to_hash(metadata: DetectionMetadata) -> dict[str, str]:
    """The fields of a hash."""
    return {name: str(value) for name in _NAMES if (value := getattr(metadata, name)) is not None}


def from_hash(fields: Mapping[str, str]) -> DetectionMetadata:
    """Metadata from the fields of a hash. Fields that other programs added are left alone.

    Raises:
        Unavailable: a field is missing, no number or not UTF-8. Only another program's write can have done that.
    """
    try:
        "".join(fields.values()).encode()  # what is not UTF-8 came as surrogates, which are no text
        return DetectionMetadata(
            detection_id=fields["detection_id"],
            camera_id=fields["camera_id"],
            timestamp_us=int(fields["timestamp_us"]),
            track_id=fields.get("track_id"),
            person_id=fields.get("person_id"),
            image_width=int(fields["image_width"]),
            image_height=int(fields["image_height"]),
            image_media_type=fields["image_media_type"],
            model_fingerprint=fields["model_fingerprint"],
            created_at_us=int(fields["created_at_us"]),
        )
    except (KeyError, ValueError):
        raise Unavailable(
            f"the metadata in Redis of detection {fields.get('detection_id')!r} is damaged: it is written anew "
            "from the disk, so try again"
        ) from None


async def read_hashes(client: Redis, keys: RedisKeys, detection_ids: Sequence[str]) -> list[dict[str, str]]:
    """The hashes of detections, in their order; an empty one for a detection that is not there."""
    hashes: list[dict[str, str]] = []
    for start in range(0, len(detection_ids), _READ_AT_ONCE):
        async with client.pipeline(transaction=False) as pipeline:
            for each in detection_ids[start : start + _READ_AT_ONCE]:
                pipeline.hgetall(keys.detection(each))
            hashes += await pipeline.execute()
    return hashes

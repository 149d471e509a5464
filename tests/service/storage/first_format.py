"""The bytes that the service's first format of records wrote: such records are still to be read."""

import numpy as np

from service.records import DetectionMetadata, DetectionRecord

OLD_METADATA = (
    b'{"version":1,"detection_id":"old:1","camera_id":"c1","timestamp_us":1790000000000000,"track_id":"t7",'
    b'"person_id":null,"image_width":60,"image_height":160,"image_media_type":"image/jpeg","model_fingerprint":"'
    + b"f" * 64
    + b'","created_at_us":1790000000000001}'
)
OLD_FEATURE_MAP = (
    b"FMP1\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00(\x00,\x00.\x000\x001\x002\x003\x004"
    b"\x804\x005\x805\x006\x806\x007\x807\x008@8\x808\xc08\x009@9\x809\xc09"
)
OLD_CROP = b"\xff\xd8 a crop \xff\xd9"

OLD_RECORD = DetectionRecord(
    DetectionMetadata(
        "old:1", "c1", 1_790_000_000_000_000, "t7", None, 60, 160, "image/jpeg", "f" * 64, 1_790_000_000_000_001
    ),
    (np.arange(24, dtype=np.float16) / 32).astype(np.float16).reshape(2, 3, 4),
    OLD_CROP,
)

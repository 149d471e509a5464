"""IDs: their form, their order and that none comes twice."""

import re
from uuid import UUID

from service.time_ordered_id import create_time_ordered_id


def test_ids_are_uuids_of_version_7_in_order_of_time() -> None:
    moments = [0, 1_790_000_000_000_000, 1_790_000_000_001_000, 2**48 * 1000 - 1]
    ids = [create_time_ordered_id(now_us) for now_us in moments]
    assert ids == sorted(ids)
    for detection_id, now_us in zip(ids, moments, strict=True):
        uuid = UUID(detection_id)
        assert (uuid.version, uuid.variant) == (7, "specified in RFC 4122")
        assert uuid.int >> 80 == now_us // 1000
        assert re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", detection_id)
    assert len({create_time_ordered_id(5) for _ in range(1000)}) == 1000

"""Reading back what is stored."""

import numpy as np
import pytest

from service.components import Components
from service.erasure.erase_detections import erase_detection
from service.errors import DetectionNotFound, InvalidField, OtherModel
from service.read_detections import (
    list_detections,
    read_comparable_feature_map,
    read_crop,
    read_feature_map,
    read_metadata,
)
from service.records import DetectionFilter
from tests.service.drawn_crops import draw_crop, encode
from tests.service.stored_crops import at, draw_record, ingest

pytestmark = pytest.mark.anyio


async def test_what_was_stored_is_read_back(components: Components) -> None:
    ingested = await ingest(components, "a", 1, "c1", 5, "t", "p")
    assert await read_metadata(components, "a") == ingested.metadata
    crop = await read_crop(components, "a")
    assert (crop.content, crop.media_type) == (encode(draw_crop(1)), "image/jpeg")
    feature_map = await read_feature_map(components, "a")
    assert (feature_map.dtype, feature_map.shape) == (np.float16, (16, 8, 4))
    np.testing.assert_array_equal(await read_comparable_feature_map(components, ingested.metadata), feature_map)


async def test_what_is_not_there_is_not_found(components: Components) -> None:
    ingested = await ingest(components, "a", 1)
    await erase_detection(components, "a")
    for read in (read_metadata, read_crop, read_feature_map):
        with pytest.raises(DetectionNotFound, match="'a'"):
            await read(components, "a")
    with pytest.raises(DetectionNotFound):
        await read_comparable_feature_map(components, ingested.metadata)


async def test_a_map_of_another_model_is_read_but_not_compared(components: Components) -> None:
    record = draw_record(components, "old", model_fingerprint="0" * 64)
    await components.writer.put(record)
    np.testing.assert_array_equal(await read_feature_map(components, "old"), record.feature_map)
    with pytest.raises(OtherModel, match=r"0{64}"):
        await read_comparable_feature_map(components, record.metadata)


async def test_a_listing_is_walked_page_by_page(components: Components) -> None:
    for number in range(7):
        await components.writer.put(draw_record(components, f"d{number}", timestamp_us=at(number // 2)))
    found: list[str] = []
    cursor = None
    for size in (3, 3, 1):
        page = await list_detections(components, DetectionFilter(camera_id="c1"), 3, cursor)
        assert len(page.detections) == size
        found += [each.detection_id for each in page.detections]
        cursor = page.next_cursor
    assert (found, cursor) == ([f"d{number}" for number in range(7)], None)
    with pytest.raises(InvalidField):
        await list_detections(components, DetectionFilter(), 3, "not a cursor")

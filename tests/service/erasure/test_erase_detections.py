"""Erasure of one detection, and of all that match."""

import asyncio

import pytest

from service.components import Components
from service.erasure.erase_detections import erase_detection, erase_detections
from service.errors import DetectionNotFound
from service.records import DetectionFilter
from service.search.search_gallery import search_gallery
from tests.service.drawn_crops import crop_file
from tests.service.stored_crops import at, check_agreement, draw_record, ingest, search_for

pytestmark = pytest.mark.anyio


async def test_one_is_erased_everywhere_and_found_no_more(components: Components) -> None:
    await ingest(components, "a", 1)
    await ingest(components, "b", 2)
    await erase_detection(components, "a")
    assert await check_agreement(components) == ["b"]
    assert components.store.get_crop("a") is None
    result = await search_gallery(components, search_for(crop_file(1)))
    assert [match.metadata.detection_id for match in result.matches] == ["b"]
    for absent in ("a", "never there"):
        with pytest.raises(DetectionNotFound, match=absent):
            await erase_detection(components, absent)


async def test_all_that_match_are_erased_and_counted(components: Components) -> None:
    records = [
        draw_record(components, f"d{number:03}", number, camera_id=f"c{number % 2}", person_id=f"p{number % 3}")
        for number in range(150)
    ]
    await asyncio.gather(*(components.writer.put(record) for record in records))
    # Camera, person and half-open time together: 0, 6, ... 96, without 96 itself.
    chosen = DetectionFilter(camera_id="c0", person_id="p0", time_to_us=at(96))
    assert (await erase_detections(components, chosen)).erased == 16
    expected = [f"d{number:03}" for number in range(150) if number % 6 or number >= 96]
    assert await check_agreement(components) == expected
    assert (await erase_detections(components, chosen)).erased == 0
    assert (await erase_detections(components, DetectionFilter(camera_id="c1"))).erased == 75
    assert (await erase_detections(components, DetectionFilter())).erased == 59
    assert await check_agreement(components) == []


async def test_two_who_erase_the_same_count_each_detection_once(components: Components) -> None:
    await asyncio.gather(*(components.writer.put(draw_record(components, f"d{n}", n)) for n in range(40)))
    chosen = DetectionFilter(camera_id="c1")
    receipts = await asyncio.gather(*(erase_detections(components, chosen) for _ in range(3)))
    assert sum(receipt.erased for receipt in receipts) == 40
    assert len({receipt.receipt_id for receipt in receipts}) == 3
    assert await check_agreement(components) == []


async def test_what_is_replaced_meanwhile_and_no_longer_matches_is_kept(
    components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ingest(components, "gone", 1, camera_id="c1")
    await ingest(components, "moved", 2, camera_id="c2")

    async def as_it_was_before(_: DetectionFilter) -> list[str]:
        return ["gone", "moved"]

    monkeypatch.setattr(type(components.index), "matching_ids", lambda _, chosen: as_it_was_before(chosen))
    assert (await erase_detections(components, DetectionFilter(camera_id="c1"))).erased == 1
    assert components.store.get_crop("gone") is None
    assert components.store.get_crop("moved") is not None

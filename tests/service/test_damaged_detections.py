"""A damaged record is set aside: not served, no candidate, counted, and gone when it is erased or replaced."""

import time
from contextlib import suppress

import numpy as np
import pytest

from service.api.answers import GalleryAnswer
from service.components import Components, open_components
from service.describe_gallery import describe_gallery
from service.erasure.erase_detections import erase_detection, erase_detections
from service.errors import DetectionNotFound
from service.read_detections import read_crop, read_feature_map, read_metadata
from service.records import DetectionFilter
from service.recover_gallery import recover_gallery
from service.search.search_gallery import search_gallery
from service.settings import Settings
from service.storage.record_encoding import encode_feature_map
from service.storage.set_aside_encoding import SetAsideRecord
from tests.service.drawn_crops import crop_file
from tests.service.storage.data_file import change_value, flip_wherever
from tests.service.storage.first_format import OLD_CROP, OLD_FEATURE_MAP, OLD_METADATA
from tests.service.stored_crops import check_agreement, ingest, search_for

pytestmark = pytest.mark.anyio

IDS = [f"d{number}" for number in range(5)]


async def ingest_five(components: Components) -> None:
    for number, detection_id in enumerate(IDS):
        await ingest(components, detection_id, number, f"c{number % 2}", 10 * number)


def damage_crop(components: Components, number: int) -> None:
    """While the service runs, as a disk does it."""
    data_dir = components.settings.data_dir
    flip_wherever(data_dir, crop_file(number), 200)


async def test_a_damaged_crop_is_set_aside_when_it_is_read(
    components: Components, caplog: pytest.LogCaptureFixture
) -> None:
    await ingest_five(components)
    damage_crop(components, 3)
    for _ in range(2):
        with pytest.raises(DetectionNotFound, match=r"'d3' was damaged .* set aside: .*PUT.*DELETE"):
            await read_crop(components, "d3")
    told = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert told == [
        "detection d3 is damaged and was set aside: the crop's SHA-256 is not the one that was written with it"
    ]
    for read in (read_metadata, read_crop, read_feature_map):
        with pytest.raises(DetectionNotFound, match="set aside"):
            await read(components, "d3")
    assert await check_agreement(components) == ["d0", "d1", "d2", "d4"]
    found = await search_gallery(components, search_for(crop_file(3)))
    assert "d3" not in [match.metadata.detection_id for match in found.matches]
    gallery = await describe_gallery(components)
    assert (gallery.size, gallery.other_model, gallery.set_aside) == (4, 0, 1)
    assert GalleryAnswer.of(gallery).set_aside == 1


async def test_each_part_is_held_against_its_own_checksum(components: Components) -> None:
    await ingest_five(components)
    damage_crop(components, 3)
    assert (await read_feature_map(components, "d3")).shape == (16, 8, 4)
    assert (await describe_gallery(components)).set_aside == 0
    metadata = await read_metadata(components, "d3")
    before_us = time.time_ns() // 1000
    with pytest.raises(DetectionNotFound, match="set aside"):
        await read_crop(components, "d3")
    (entry,) = components.store.iterate_set_aside()
    assert entry == SetAsideRecord("d3", entry.reason, entry.set_aside_at_us, metadata)
    assert before_us <= entry.set_aside_at_us <= time.time_ns() // 1000


async def test_a_search_leaves_a_damaged_match_out_and_goes_on(components: Components) -> None:
    await ingest_five(components)
    change_in_lmdb(components, "feature_maps", "d2")
    result = await search_gallery(components, search_for(crop_file(2), num_correspondences=5))
    assert sorted(match.metadata.detection_id for match in result.matches) == ["d0", "d1", "d3", "d4"]
    assert [match.rank for match in result.matches] == [1, 2, 3, 4]
    assert components.store.get_set_aside("d2") is not None
    assert await check_agreement(components) == ["d0", "d1", "d3", "d4"]
    with pytest.raises(DetectionNotFound, match="set aside"):
        await search_gallery(components, search_for(detection_id="d2"))


async def test_a_damaged_neighbour_does_not_end_a_search(components: Components) -> None:
    await ingest_five(components)
    stored = components.store.get_feature_map("d3")
    assert stored is not None
    flip_wherever(components.settings.data_dir, encode_feature_map(stored), 300)
    # The crop is that of d3's camera and moment: whether it is d3 itself is asked of the disk.
    result = await search_gallery(components, search_for(crop_file(3), camera_id="c1", seconds=30))
    assert len(result.matches) >= 4
    assert components.store.get_set_aside("d3") is not None


@pytest.mark.parametrize("num_correspondences", [0, 20])
async def test_a_map_that_an_exact_score_cannot_be_computed_from_is_set_aside(
    settings: Settings, num_correspondences: int
) -> None:
    """Of int8 maps on the device and exact ones on the disk: nobody else reads that record for the answer."""
    on_disk = settings.model_copy(update={"precision": "int8", "exact_maps": "disk"})
    async with open_components(on_disk) as components:
        await recover_gallery(components)
        await ingest_five(components)
        stored = components.store.get_feature_map("d3")
        assert stored is not None
        flip_wherever(components.settings.data_dir, encode_feature_map(stored), 300)
        query = search_for(crop_file(3), num_correspondences=num_correspondences)
        found = await search_gallery(components, query)
        assert sorted(match.metadata.detection_id for match in found.matches) == ["d0", "d1", "d2", "d4"]
        assert components.store.get_set_aside("d3") is not None
        assert (await describe_gallery(components)).size == 4


@pytest.mark.parametrize("database", ["metadata", "feature_maps", "crops"])
async def test_what_was_set_aside_is_erased_and_replaced_as_any_other(components: Components, database: str) -> None:
    await ingest_five(components)
    for detection_id in ("d1", "d2", "d3"):
        change_in_lmdb(components, database, detection_id)
        await read_both(components, detection_id)
    assert [each.detection_id for each in components.store.iterate_set_aside()] == ["d1", "d2", "d3"]
    await erase_detection(components, "d1")
    with pytest.raises(DetectionNotFound, match="there is no detection"):
        await erase_detection(components, "d1")
    assert (await ingest(components, "d2", 2)).is_new is True
    assert [each.detection_id for each in components.store.iterate_set_aside()] == ["d3"]
    assert await check_agreement(components) == ["d0", "d2", "d4"]
    await components.store.delete(["d3"])
    assert components.store.count_set_aside() == 0


async def read_both(components: Components, detection_id: str) -> None:
    """One of both is damaged."""
    with suppress(DetectionNotFound):
        await read_crop(components, detection_id)
    with pytest.raises(DetectionNotFound, match="set aside"):
        await read_feature_map(components, detection_id)


async def test_a_damaged_record_that_nobody_read_is_erased(components: Components) -> None:
    await ingest_five(components)
    change_in_lmdb(components, "metadata", "d1")
    change_in_lmdb(components, "metadata", "d2")
    await erase_detection(components, "d1")
    assert (await erase_detections(components, DetectionFilter(camera_id="c0"))).erased == 2
    assert not components.store.holds("d1")
    assert not components.store.holds("d2")
    assert await check_agreement(components) == ["d3"]


async def test_a_start_sets_aside_what_it_finds(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    async with open_components(settings) as components:
        await recover_gallery(components)
        await ingest_five(components)
    data_dir = settings.data_dir
    change_value(data_dir, "metadata", "d0", b"{}")
    flip_wherever(data_dir, crop_file(2), 3)
    change_value(data_dir, "feature_maps", "d3", None)
    change_value(data_dir, "metadata", "d4", None)
    for _ in range(2):
        caplog.clear()
        async with open_components(settings) as components:
            await recover_gallery(components)
            assert components.recovery.is_done
            assert await check_agreement(components) == ["d1"]
            reasons = {each.detection_id: each.reason for each in components.store.iterate_set_aside()}
            assert list(reasons) == ["d0", "d2", "d3", "d4"]
            assert "version None" in reasons["d0"]
            assert "crop's SHA-256" in reasons["d2"]
            assert reasons["d3"] == "there is no feature map"
            assert reasons["d4"] == "there is no metadata"
            assert "4 damaged records are set aside" in caplog.text
            assert components.store.used_bytes() > 0
            assert entry_of(components, "d2").endswith(crop_file(2)[4:])


async def test_a_map_that_is_not_finite_is_set_aside_at_the_start(settings: Settings) -> None:
    async with open_components(settings) as components:
        await recover_gallery(components)
        await ingest_five(components)
        stored = components.store.get_record("d3")
        assert stored is not None
        stored.feature_map[0, 1, 2] = np.nan
        await components.store.put(stored)
    async with open_components(settings) as components:
        await recover_gallery(components)
        assert await check_agreement(components) == ["d0", "d1", "d2", "d4"]
        set_aside = components.store.get_set_aside("d3")
        assert set_aside is not None
        assert "infinite or no numbers" in set_aside.reason


async def test_records_of_the_first_format_are_served(settings: Settings) -> None:
    async with open_components(settings) as components:
        await recover_gallery(components)
    for database, value in (("metadata", OLD_METADATA), ("feature_maps", OLD_FEATURE_MAP), ("crops", OLD_CROP)):
        change_value(settings.data_dir, database, "old:1", value)
    async with open_components(settings) as components:
        await recover_gallery(components)
        assert components.store.count_set_aside() == 0
        assert (await read_crop(components, "old:1")).content == OLD_CROP
        assert (await read_metadata(components, "old:1")).track_id == "t7"
        assert (await read_feature_map(components, "old:1")).shape == (2, 3, 4)


def change_in_lmdb(components: Components, database: str, detection_id: str) -> None:
    """A byte of the middle of a value, in the store's own environment: nobody else may open it in this process."""
    environment = components.store._environment
    opened = environment.open_db(database.encode())
    with environment.begin(write=True) as transaction:
        value = bytearray(transaction.get(detection_id.encode(), db=opened) or b"")
        value[len(value) // 2] ^= 1
        transaction.put(detection_id.encode(), bytes(value), db=opened)


def entry_of(components: Components, detection_id: str) -> bytes:
    environment = components.store._environment
    opened = environment.open_db(b"set_aside")
    with environment.begin() as transaction:
        entry = transaction.get(detection_id.encode(), db=opened)
        assert entry is not None
        return entry

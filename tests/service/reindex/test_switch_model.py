"""From one model to another in one process after the other: reindex, refusals, the switch, and what cannot be moved."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy as np
import pytest

from model.checkpoint import load_checkpoint
from service.components import Components, open_components
from service.describe_gallery import describe_gallery
from service.gallery_model import GalleryOfOtherModel
from service.recover_gallery import recover_gallery
from service.reindex.reindex_gallery import ReindexRefused
from service.reindex.run_reindex import run_abandon
from service.settings import Settings
from service.storage.reindex_lock import ReindexRunning, acquire_reindex_lock
from tests.service.drawn_crops import crop_file
from tests.service.reindexing import assert_same_maps, extract_maps, look_at, record_with_image, reindex
from tests.service.stored_crops import check_agreement, draw_record, ingest

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def running(settings: Settings, checkpoint: Path | None = None, **changes: object) -> AsyncIterator[Components]:
    changes |= {} if checkpoint is None else {"checkpoint": checkpoint}
    async with open_components(settings.model_copy(update=changes)) as components:
        await recover_gallery(components)
        yield components


async def fill(settings: Settings, numbers: range) -> None:
    async with running(settings) as components:
        await asyncio.gather(
            *(components.writer.put(record_with_image(components, f"d{number:03}", number)) for number in numbers)
        )


async def maps_of(components: Components, detection_ids: list[str]) -> list[np.ndarray]:
    found = [components.store.get_feature_map(each) for each in detection_ids]
    assert all(each is not None for each in found)
    return [each for each in found if each is not None]


async def test_the_whole_way_to_another_model_and_back(settings: Settings, newer_checkpoint: Path) -> None:
    old, new = (load_checkpoint(path).fingerprint for path in (settings.checkpoint, newer_checkpoint))
    await fill(settings, range(70))
    summary = await reindex(settings, newer_checkpoint, batch=16)
    assert (summary.made, summary.skipped, summary.failed, summary.remaining) == (70, 0, {}, 0)
    between = look_at(settings.data_dir)
    assert between.model == {"model_fingerprint": old, "reindexing_to": new}
    assert set(between.fingerprints.values()) == {old}
    # The old model goes on, and a write takes its staged map along.
    async with running(settings) as components:
        assert components.slots.size == 70
        await ingest(components, "d001", 500)
        await ingest(components, "added", 501)
        await components.writer.erase("d002")
    assert len(look_at(settings.data_dir).staged) == 68
    async with running(settings, newer_checkpoint) as components:
        detection_ids = await check_agreement(components)
        assert components.slots.size == len(detection_ids) == 70
        seeds = {"added": 501, "d001": 500}
        crops = [crop_file(seeds.get(each) or int(each[1:])) for each in detection_ids]
        assert_same_maps(await maps_of(components, detection_ids), extract_maps(newer_checkpoint, crops))
        assert (await describe_gallery(components)).other_model == 0
    after = look_at(settings.data_dir)
    assert after.model == {"model_fingerprint": new}
    assert after.staged == ()
    assert set(after.fingerprints.values()) == {new}
    with pytest.raises(GalleryOfOtherModel, match=f"70 detections of model {new}"):
        async with running(settings):
            pass
    assert settings.checkpoint is not None
    await reindex(settings, settings.checkpoint)
    async with running(settings) as components:
        assert (components.fingerprint, components.slots.size) == (old, 70)


async def test_a_gallery_of_another_model_is_refused_with_what_to_do(
    settings: Settings, newer_checkpoint: Path
) -> None:
    await fill(settings, range(3))
    old, new = (load_checkpoint(path).fingerprint for path in (settings.checkpoint, newer_checkpoint))
    expected = rf"3 detections of model {old}.*is model {new}.*reindex --checkpoint {re.escape(str(newer_checkpoint))}"
    with pytest.raises(GalleryOfOtherModel, match=expected):
        async with running(settings, newer_checkpoint):
            pass
    async with running(settings) as components:
        assert components.slots.size == 3


async def test_an_emptied_gallery_takes_any_model(settings: Settings, newer_checkpoint: Path) -> None:
    await fill(settings, range(1))
    async with running(settings) as components:
        await components.writer.erase("d000")
    async with running(settings, newer_checkpoint) as components:
        await ingest(components, "d1")
        assert components.slots.size == 1


async def test_a_gallery_from_before_models_were_remembered_is_of_the_most_frequent(
    settings: Settings, newer_checkpoint: Path
) -> None:
    new = load_checkpoint(newer_checkpoint).fingerprint
    async with running(settings) as components:
        for number in range(5):
            of_new = {"model_fingerprint": new} if number < 3 else {}
            await components.writer.put(record_with_image(components, f"d{number}", number, **of_new))
    with lmdb.open(str(settings.data_dir / "records"), max_dbs=8) as environment:
        gallery = environment.open_db(b"gallery", create=False)
        with environment.begin(write=True) as transaction:
            transaction.drop(gallery, delete=False)
    with pytest.raises(GalleryOfOtherModel, match=f"5 detections of model {new}"):
        async with running(settings):
            pass
    async with running(settings, newer_checkpoint) as components:
        assert (components.slots.size, (await describe_gallery(components)).other_model) == (3, 2)
    # The two that were of another model all along are made whole by a reindex to the gallery's own.
    summary = await reindex(settings, newer_checkpoint)
    assert (summary.made, summary.skipped) == (2, 3)
    async with running(settings, newer_checkpoint) as components:
        assert components.slots.size == len(await check_agreement(components)) == 5


async def test_a_crop_that_cannot_be_used_leaves_its_detection_as_it_was(
    settings: Settings, newer_checkpoint: Path
) -> None:
    await fill(settings, range(3))
    async with running(settings) as components:
        await components.writer.put(draw_record(components, "poison", 1))
        await components.writer.put(replace(draw_record(components, "not-kept", 2), crop=b""))
        before = await maps_of(components, ["not-kept", "poison"])
        old = components.fingerprint
    summary = await reindex(settings, newer_checkpoint)
    assert summary.made == 3
    assert summary.failed.keys() == {"poison", "not-kept"}
    assert "the 6 bytes are not an image" in summary.failed["poison"]
    assert summary.failed["not-kept"] == "the crop was not kept"
    async with running(settings, newer_checkpoint) as components:
        assert (components.slots.size, (await describe_gallery(components)).other_model) == (3, 2)
        assert np.array_equal(await maps_of(components, ["not-kept", "poison"]), before)
        metadata = components.store.get_metadata("poison")
        assert metadata is not None
        assert metadata.model_fingerprint == old
        await check_agreement(components)
    async with running(settings, newer_checkpoint) as components:
        assert components.slots.size == 3


async def test_a_damaged_map_is_made_again_at_the_switch(settings: Settings, newer_checkpoint: Path) -> None:
    await fill(settings, range(3))
    await reindex(settings, newer_checkpoint)
    with lmdb.open(str(settings.data_dir / "records"), max_dbs=8) as environment:
        staged = environment.open_db(b"reindexed_maps", create=False)
        with environment.begin(write=True) as transaction:
            value = bytearray(transaction.get(b"d001", db=staged))
            value[-1] ^= 1
            transaction.put(b"d001", bytes(value), db=staged)
    async with running(settings, newer_checkpoint) as components:
        assert_same_maps(await maps_of(components, ["d001"]), extract_maps(newer_checkpoint, [crop_file(1)]))


async def test_run_again_it_makes_what_is_missing_alone(settings: Settings, newer_checkpoint: Path) -> None:
    await fill(settings, range(4))
    await reindex(settings, newer_checkpoint)
    await fill(settings, range(3, 6))  # d003 again, and two more
    summary = await reindex(settings, newer_checkpoint)
    assert (summary.made, summary.skipped) == (3, 3)


async def test_a_reindex_for_another_model_is_not_dropped_unasked(settings: Settings, newer_checkpoint: Path) -> None:
    await fill(settings, range(3))
    await reindex(settings, newer_checkpoint)
    assert settings.checkpoint is not None
    with pytest.raises(ReindexRefused, match=r"has made 3 maps.*--discard"):
        await reindex(settings, settings.checkpoint)
    assert len(look_at(settings.data_dir).staged) == 3
    assert (await reindex(settings, settings.checkpoint, discards=True)).made == 0
    assert look_at(settings.data_dir).staged == ()


async def test_abandoning_leaves_the_gallery_as_it_was(settings: Settings, newer_checkpoint: Path) -> None:
    await fill(settings, range(70))
    before = look_at(settings.data_dir)
    await reindex(settings, newer_checkpoint)
    assert await asyncio.to_thread(run_abandon, settings) == 70
    assert look_at(settings.data_dir) == before
    with pytest.raises(GalleryOfOtherModel):
        async with running(settings, newer_checkpoint):
            pass


async def test_neither_a_second_reindex_nor_a_switch_while_one_runs(settings: Settings, newer_checkpoint: Path) -> None:
    await fill(settings, range(3))
    await reindex(settings, newer_checkpoint)
    lock = acquire_reindex_lock(settings.data_dir)
    with pytest.raises(ReindexRunning):
        await reindex(settings, newer_checkpoint)
    with pytest.raises(ReindexRunning):
        async with running(settings, newer_checkpoint):
            pass
    async with running(settings) as components:  # the old model serves whatever runs
        assert components.slots.size == 3
    lock.release()
    async with running(settings, newer_checkpoint) as components:
        assert components.slots.size == 3
        acquire_reindex_lock(settings.data_dir).release()  # the switch is over


async def test_a_start_that_fails_before_the_switch_changes_nothing(settings: Settings, newer_checkpoint: Path) -> None:
    await fill(settings, range(3))
    await reindex(settings, newer_checkpoint)
    before = look_at(settings.data_dir)
    with pytest.raises(ValueError, match=r"device cuda:99"):
        async with running(settings, newer_checkpoint, device="cuda:99"):
            pass
    assert look_at(settings.data_dir) == before
    async with running(settings) as components:
        assert components.slots.size == 3

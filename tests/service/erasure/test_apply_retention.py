"""Sweeps: what has reached its age is gone everywhere, of whatever model, and nothing else is."""

import logging
from collections.abc import Sequence

import pytest

from service.components import Components, open_components
from service.erasure import apply_retention as apply_retention_module
from service.erasure.apply_retention import apply_retention
from service.errors import Unavailable
from service.recover_gallery import recover_gallery
from service.settings import Settings
from tests.service.stoppable_redis import StoppableRedis
from tests.service.storage.erasable_records import change_value
from tests.service.stored_crops import at, check_agreement, draw_record

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"retention_seconds": 100, "camera_retention_seconds": {"c2": 10, "c3": 1000}})


async def put(components: Components, detection_id: str, camera_id: str, seconds: float, **changes: object) -> None:
    record = draw_record(components, detection_id, 1, camera_id=camera_id, timestamp_us=at(seconds), **changes)
    await components.writer.put(record)


async def test_each_camera_has_its_age(components: Components, caplog: pytest.LogCaptureFixture) -> None:
    told: list[list[str]] = []

    async def on_erased(detection_ids: Sequence[str]) -> None:
        told.append(sorted(detection_ids))

    for camera in ("c1", "c2", "c3"):
        for seconds in (0, 50, 95):
            await put(components, f"{camera}-{seconds}", camera, seconds)
    another = draw_record(components, "another-model", 0, camera_id="c1", model_fingerprint="e" * 64)
    await components.store.put(another)  # as an earlier service with another model left it
    await components.index.put(another.metadata)
    caplog.set_level(logging.INFO)
    assert await apply_retention(components, at(99.999999), on_erased) == {"c2": 2}
    assert await check_agreement(components) == [
        "another-model",
        "c1-0",
        "c1-50",
        "c1-95",
        "c2-95",
        "c3-0",
        "c3-50",
        "c3-95",
    ]
    assert await apply_retention(components, at(100), on_erased) == {"c1": 2}
    assert await check_agreement(components) == ["c1-50", "c1-95", "c2-95", "c3-0", "c3-50", "c3-95"]
    assert await apply_retention(components, at(100), on_erased) == {}
    assert told == [["c2-0", "c2-50"], ["another-model", "c1-0"]]
    assert "2 detections of camera c2" in caplog.text
    assert "c2-0" not in caplog.text
    assert components.store.is_scrub_due


async def test_a_timestamp_in_the_future_keeps_nothing_for_longer(components: Components) -> None:
    await put(components, "ahead", "c2", 10_000, created_at_us=at(0))
    await put(components, "younger", "c2", 10_000, created_at_us=at(5))
    assert await apply_retention(components, at(10)) == {"c2": 1}
    assert await check_agreement(components) == ["younger"]


async def test_one_that_cannot_be_erased_does_not_keep_the_others(
    components: Components, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(130):
        await put(components, f"d{number:03}", "c2", number / 1000)
    delete = components.store.delete

    async def fail_for_one(detection_ids: Sequence[str]) -> object:
        if "d003" in detection_ids:
            raise OSError("the disk failed")
        return await delete(detection_ids)

    with monkeypatch.context() as patched:
        patched.setattr(components.store, "delete", fail_for_one)
        assert await apply_retention(components, at(20)) == {"c2": 129}
    assert "could be erased, trying again" in caplog.text
    assert await check_agreement(components) == ["d003"]
    assert await apply_retention(components, at(20)) == {"c2": 1}


async def test_without_redis_a_sweep_fails_and_the_next_does_its_work(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    redis = StoppableRedis(tmp_path_factory.mktemp("redis"))
    redis.start()
    try:
        async with open_components(settings.model_copy(update={"redis_url": redis.url})) as components:
            await recover_gallery(components)
            await put(components, "old", "c2", 0)
            redis.kill()
            with pytest.raises(Unavailable):
                await apply_retention(components, at(20))
            redis.start()
            await recover_gallery(components)
            assert await apply_retention(components, at(20)) == {"c2": 1}
            assert await check_agreement(components) == []
    finally:
        redis.kill()


async def test_a_sound_record_in_the_place_of_an_old_one_set_aside_is_kept(
    components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It arrives after the sweep has looked."""
    await put(components, "a", "c2", 0, created_at_us=at(0))
    await put(components, "b", "c2", 0, created_at_us=at(0))
    for name in "ab":
        change_value(components.store, b"crops", name.encode(), b"what is no crop of it")
        await components.writer.set_aside(name, "its crop is another")
    outlived = apply_retention_module._outlived_set_aside(components, at(20))
    assert outlived == [("a", "c2"), ("b", "c2")]
    monkeypatch.setattr(apply_retention_module, "_outlived_set_aside", lambda *_: outlived)
    await put(components, "a", "c2", 19, created_at_us=at(19))
    assert await apply_retention(components, at(20)) == {"c2": 1}
    assert await check_agreement(components) == ["a"]
    assert components.store.count_set_aside() == 0

"""Entries of the stream that cannot be stored are set aside with their reason, and only they."""

import asyncio
import hashlib
import time

import pytest
import redis

from service.audit.audit_events import Source
from service.audit.on_record import ingest_on_record
from service.components import Components
from service.errors import ServiceError
from service.ingest import consume_stream as consumption
from service.ingest.ingest_detection import IngestedDetection, NewDetection
from service.observability.request_context import RequestContext, current_requests
from service.settings import Settings
from tests.service.camera_worker import STREAM_KEY, append
from tests.service.drawn_crops import crop_file, draw_crop, encode
from tests.service.ingest.read_stream import (
    REJECTED,
    client,
    is_drained,
    reasons,
    running,
    settings,
    stream_redis,
    until,
)
from tests.service.stored_crops import check_agreement

__all__ = ["client", "settings", "stream_redis"]  # fixtures

pytestmark = pytest.mark.anyio


async def test_ten_kinds_of_poison_are_set_aside_and_their_neighbours_are_stored(
    settings: Settings, client: "redis.Redis"
) -> None:
    picture = crop_file(3)
    poison = {
        append(client, 1, image=b"no image"): ("400", "unreadable-image"),
        append(client, 2, image=picture[: len(picture) // 2]): ("400", "unreadable-image"),
        append(client, 3, image=b"GIF89a" + picture): ("415", "unsupported-image"),
        append(client, 4, image=encode(draw_crop(4, 4, 40))): ("422", "invalid-field"),
        append(client, 5, image=encode(draw_crop(5, 5000, 4000))): ("413", "limit-exceeded"),
        append(client, 6, image=b"\xff" * 100_001): ("413", "limit-exceeded"),
        append(client, 7, image=None): ("422", "invalid-field"),
        append(client, 8, camera_id="no camera"): ("422", "invalid-field"),
        append(client, 9, timestamp="yesterday"): ("422", "invalid-field"),
        append(client, 10, camera="c1"): ("422", "invalid-field"),
        append(client, 11, person_id=b"\xff\xff"): ("422", "invalid-field"),
        append(client, 12, detection_id="d/1"): ("422", "invalid-field"),
    }
    good = [append(client, number, detection_id=f"good{number}") for number in range(5)]
    async with running(settings, max_body_bytes=100_000, max_image_pixels=1_000_000) as components:
        await until(is_drained(client))
        assert await check_agreement(components) == [f"good{number}" for number in range(len(good))]
    found = reasons(client)
    assert {entry_id: (reason["status"], reason["problem"]) for entry_id, reason in found.items()} == poison
    by_number = dict(zip(range(1, 13), found.values(), strict=True))
    assert by_number[1]["image_sha256"] == hashlib.sha256(b"no image").hexdigest()
    assert by_number[6]["image_bytes"] == "100001"
    assert "at most 100000 are taken" in by_number[6]["detail"]
    assert by_number[10]["detail"] == "camera: is not a field of this call"
    assert "image_bytes" not in by_number[7]
    assert by_number[7]["camera_id"] == "c1"
    assert not any(b"no image" in value for _, fields in client.xrange(REJECTED) for value in fields.values())


async def test_log_lines_and_metrics_say_which_entry_and_what_was_wrong(
    settings: Settings, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: dict[str | None, tuple[RequestContext, ...]] = {}

    async def ingest_and_note(components: Components, detection: NewDetection, source: Source) -> IngestedDetection:
        requests[detection.detection_id] = current_requests()
        return await ingest_on_record(components, detection, source)

    monkeypatch.setattr(consumption, "ingest_on_record", ingest_and_note)
    traced = append(client, 0, detection_id="traced", traceparent=f"00-{'ab' * 16}-{'cd' * 8}-01")
    untraced = append(client, 1, detection_id="untraced", traceparent=b"\xff")
    append(client, 2, image=b"no image")
    append(client, 3, timestamp="yesterday")
    async with running(settings) as components:
        await until(lambda: len(reasons(client)) == 3)
        text = components.metrics.exposition().decode()
    assert requests.keys() >= {"traced"}
    (request,) = requests["traced"]
    assert (request.request_id, request.trace.trace_id) == (traced, "ab" * 16)
    assert untraced in reasons(client)
    assert 'qaconv_stream_problems_total{type="unreadable-image"} 1.0' in text
    assert 'qaconv_stream_problems_total{type="invalid-field"} 2.0' in text
    assert current_requests() == ()


async def test_what_is_too_old_to_be_kept_is_set_aside_and_crops_that_are_not_kept_are_not(
    settings: Settings, client: "redis.Redis"
) -> None:
    old = append(client, 0, detection_id="old", timestamp=str(time.time() - 7200))
    ahead = append(client, 1, detection_id="ahead", timestamp=str(time.time() + 7200))
    append(client, 2, detection_id="new", timestamp=str(time.time() - 60))
    async with running(settings, retention_seconds=3600, store_crops=False) as components:
        await until(is_drained(client))
        assert await check_agreement(components) == ["new"]
        assert components.store.get_crop("new") == b""
    found = reasons(client)
    assert {entry_id: reason["problem"] for entry_id, reason in found.items()} == dict.fromkeys(
        (old, ahead), "invalid-field"
    )
    assert "are kept for 3600 s" in found[old]["detail"]
    assert "in the future" in found[ahead]["detail"]


async def test_an_entry_that_ends_its_consumers_is_set_aside_once_others_were_stored(
    settings: Settings, client: "redis.Redis"
) -> None:
    client.xgroup_create(STREAM_KEY, "qaconv", "0", mkstream=True)
    poison = append(client, 0, detection_id="poison")
    client.xreadgroup("qaconv", "dead", {STREAM_KEY: ">"}, 1)
    client.xclaim(STREAM_KEY, "qaconv", "dead", 0, [poison], retrycount=4)
    async with running(settings) as components:
        await asyncio.sleep(1.0)
        assert (client.xlen(STREAM_KEY), reasons(client)) == (1, {})
        append(client, 1, detection_id="good")
        await until(is_drained(client))
        assert await check_agreement(components) == ["good"]
    reason = reasons(client)[poison]
    assert (reason["status"], reason["problem"], reason["detection_id"]) == ("500", "internal-error", "poison")
    assert "never finished" in reason["detail"]
    assert int(reason["deliveries"]) >= 5


@pytest.mark.parametrize(
    "error", [RuntimeError("nobody foresaw this"), ServiceError("the model makes no numbers of it")]
)
async def test_an_entry_that_fails_inside_is_tried_five_times_and_holds_nobody_up(
    settings: Settings, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    tries: list[str] = []

    async def ingest_or_fail(components: Components, detection: NewDetection, source: Source) -> IngestedDetection:
        assert detection.detection_id is not None
        if detection.detection_id == "bad":
            tries.append(detection.detection_id)
            raise error
        return await ingest_on_record(components, detection, source)

    monkeypatch.setattr(consumption, "ingest_on_record", ingest_or_fail)
    async with running(settings, stream_claim_seconds=0.1) as components:
        for number in range(3):
            append(client, number, detection_id=f"good{number}")
        bad = append(client, 9, detection_id="bad")
        number = 3
        while bad not in reasons(client):
            append(client, number, detection_id=f"good{number}")
            number += 1
            await asyncio.sleep(0.1)
            assert number < 150
        await until(is_drained(client))
        assert len(await check_agreement(components)) == number
    assert len(tries) >= 4
    assert reasons(client)[bad]["problem"] == "internal-error"


async def test_a_service_that_can_store_nothing_sets_nothing_aside(
    settings: Settings, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> IngestedDetection:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr(consumption, "ingest_on_record", fail)
        for number in range(100):
            append(client, number, detection_id=f"d{number:03}")
        async with running(settings, stream_claim_seconds=0.1) as components:
            await asyncio.sleep(2.0)
            assert components.stream is not None
            await components.stream.measure()
            assert components.stream.lag.pending <= 33
        assert (reasons(client), client.xlen(STREAM_KEY)) == ({}, 100)
    async with running(settings, stream_claim_seconds=0.1) as components:
        await until(is_drained(client))
        assert len(await check_agreement(components)) == 100

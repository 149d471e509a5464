"""What the application answers in states that a healthy service is seldom in."""

import asyncio
import json
import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from service.records import DetectionRecord
from service.settings import Settings
from tests.service.drawn_crops import crop_file
from tests.service.reindexing import reindex
from tests.service.running_application import run_application
from tests.service.stoppable_redis import StoppableRedis
from tests.service.stored_crops import draw_record

pytestmark = pytest.mark.anyio


def changed(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update=changes)


@pytest.fixture
def stoppable_redis(tmp_path: Path) -> object:
    directory = tmp_path / "redis"
    directory.mkdir()
    server = StoppableRedis(directory)
    yield server
    server.kill()


async def test_while_it_starts_only_its_state_is_answered(settings: Settings, stoppable_redis: StoppableRedis) -> None:
    # Recovery waits for a Redis that is not there yet.
    async with run_application(changed(settings, redis_url=stoppable_redis.url)) as running:
        client = running.client
        for path in ("/livez", "/metrics", "/docs", "/openapi.json"):
            assert (await client.get(path)).status_code == 200
        refused = [
            await client.get("/readyz"),
            await client.get("/v1/model"),
            await client.get("/v1/gallery"),
            await client.get("/v1/detections"),
            await client.get("/v1/detections/d"),
            await client.delete("/v1/detections/d"),
            await client.post("/v1/detections:erase", json={"camera_id": "c"}),
            await running.put("d"),
            await running.search(),
        ]
        assert {response.status_code for response in refused} == {503}
        assert all(int(response.headers["retry-after"]) > 0 for response in refused)
        assert "not recovered" in refused[0].json()["detail"]
        assert "starting" in refused[1].json()["detail"]
        stoppable_redis.start()
        await running.wait_until_ready()
        assert (await running.put("d")).status_code == 201


async def test_without_redis_calls_are_refused_until_it_is_back(
    settings: Settings, stoppable_redis: StoppableRedis
) -> None:
    stoppable_redis.start()
    async with run_application(changed(settings, redis_url=stoppable_redis.url)) as running:
        await running.wait_until_ready()
        assert (await running.put("before")).status_code == 201
        stoppable_redis.kill()
        ready = await running.client.get("/readyz")
        assert ready.status_code == 503
        assert "Redis" in ready.json()["detail"]
        assert (await running.client.get("/v1/detections/before")).status_code == 503
        assert (await running.put("meanwhile")).status_code == 503
        assert (await running.client.get("/livez")).status_code == 200
        # It comes back empty: the service fills it again from its disk.
        stoppable_redis.start()
        await running.wait_until_ready()
        async with asyncio.timeout(10):
            while (await running.client.get("/v1/detections/before")).status_code != 200:
                await asyncio.sleep(0.05)
        assert (await running.put("meanwhile")).status_code in (200, 201)


async def test_a_full_gallery(settings: Settings) -> None:
    async with run_application(changed(settings, gallery_capacity=2)) as running:
        await running.wait_until_ready()
        assert [(await running.put(name)).status_code for name in ("a", "b")] == [201, 201]
        full = await running.put("c")
        assert full.status_code == 507
        assert "2" in full.json()["detail"]
        assert (await running.client.get("/v1/detections/c")).status_code == 404
        # What is there may be replaced, and what is erased makes room.
        assert (await running.put("a", seed=2)).status_code == 200
        await running.client.delete("/v1/detections/b")
        assert (await running.put("c")).status_code == 201


async def test_a_feature_map_of_another_model(settings: Settings, newer_checkpoint: Path) -> None:
    async with run_application(settings) as running:
        await running.wait_until_ready()
        # Its crop is no image: the other model can make no map of it.
        await running.components.writer.put(draw_record(running.components, "old"))
        fingerprint = (await running.client.get("/v1/model")).json()["fingerprint"]
    await reindex(settings, newer_checkpoint)
    async with run_application(changed(settings, checkpoint=newer_checkpoint)) as running:
        await running.wait_until_ready()
        gallery = (await running.client.get("/v1/gallery")).json()
        assert (gallery["size"], gallery["other_model"]) == (0, 1)
        conflict = await running.search(detection_id="old")
        assert conflict.status_code == 409
        assert fingerprint in conflict.json()["detail"]
        assert (await running.search()).json()["matches"] == []
        assert (await running.client.get("/v1/detections/old")).json()["model_fingerprint"] == fingerprint
        assert (await running.put("old")).status_code == 200
        assert (await running.search(detection_id="old")).status_code == 200


async def test_a_full_queue(settings: Settings) -> None:
    async with run_application(changed(settings, max_waiting=3)) as running:
        await running.wait_until_ready()
        async with running.busy_device():
            searches = [asyncio.create_task(running.search()) for _ in range(12)]
            # Until each is refused or waits: one that comes later would find a free device.
            while sum(search.done() for search in searches) + running.components.worker.waiting < len(searches):
                await asyncio.sleep(0.01)
        responses = await asyncio.gather(*searches)
        statuses = Counter(response.status_code for response in responses)
        assert set(statuses) == {200, 429}
        assert statuses[200] <= 3 + 1
        assert (await running.search()).status_code == 200


async def test_too_many_requests_in_flight(settings: Settings) -> None:
    async with run_application(changed(settings, max_requests=2)) as running:
        await running.wait_until_ready()
        async with running.busy_device():
            searches = [asyncio.create_task(running.search()) for _ in range(2)]
            while running.components.worker.waiting < 2:
                await asyncio.sleep(0.01)
            refused = await running.search()
            assert refused.status_code == 429
            assert refused.json()["type"] == "/problems/queue-full"
            assert "2 requests" in refused.json()["detail"]
            assert (await running.client.get("/v1/gallery")).status_code == 429
            for path in ("/livez", "/readyz", "/metrics"):
                assert (await running.client.get(path)).status_code == 200
        assert [response.status_code for response in await asyncio.gather(*searches)] == [200, 200]
        assert (await running.search()).status_code == 200


async def test_metrics_tell_what_waits_for_the_device(settings: Settings) -> None:
    async with run_application(settings) as running:
        await running.wait_until_ready()
        assert "qaconv_device_jobs_waiting 0.0\n" in (await running.client.get("/metrics")).text
        async with running.busy_device():
            put = asyncio.create_task(running.put("d"))
            while not running.components.worker.waiting:
                await asyncio.sleep(0.01)
            busy = (await running.client.get("/metrics")).text
            assert "qaconv_device_jobs_waiting 1.0\n" in busy
            assert "qaconv_http_requests_in_flight 2.0\n" in busy
        assert (await put).status_code == 201


async def test_metrics_tell_of_unsettled_writes(
    settings: Settings, stoppable_redis: StoppableRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    stoppable_redis.start()
    async with run_application(changed(settings, redis_url=stoppable_redis.url)) as running:
        await running.wait_until_ready()
        assert "qaconv_unsettled_writes 0.0\n" in (await running.client.get("/metrics")).text
        store = running.components.store
        put = store.put

        async def put_then_lose_redis(record: DetectionRecord) -> bool:
            is_new = await put(record)
            stoppable_redis.kill()
            return is_new

        monkeypatch.setattr(store, "put", put_then_lose_redis)
        assert (await running.put("d")).status_code == 503
        assert "qaconv_unsettled_writes 1.0\n" in (await running.client.get("/metrics")).text


async def test_a_request_that_takes_too_long(settings: Settings) -> None:
    async with run_application(changed(settings, request_timeout_seconds=0.5)) as running:
        await running.wait_until_ready()
        async with running.busy_device():
            late = await running.search()
            assert late.status_code == 503
            assert late.json()["type"] == "/problems/timeout"
        assert (await running.search()).status_code == 200


async def test_a_batch_tells_which_items_were_not_done_in_time(settings: Settings) -> None:
    async with run_application(changed(settings, request_timeout_seconds=1.0)) as running:
        await running.wait_until_ready()
        manifest = [{"file": name, "camera_id": "c", "timestamp": 1} for name in ("text", "crop")]
        parts = [
            ("manifest", (None, json.dumps(manifest))),
            ("images", ("text", b"text")),
            ("images", ("crop", crop_file(1))),
        ]
        async with running.busy_device():
            response = await running.client.post("/v1/detections:batch", files=parts)
        assert response.status_code == 200
        assert [result["status"] for result in response.json()["results"]] == [400, 503]
        assert response.json()["results"][1]["problem"]["type"] == "/problems/timeout"


async def test_an_operators_limits(settings: Settings) -> None:
    limits = {"max_body_bytes": 20_000, "max_image_pixels": 3000, "min_image_side": 40, "max_batch_items": 1}
    async with run_application(changed(settings, **limits)) as running:
        await running.wait_until_ready()
        large = await running.client.post("/v1/search", files={"image": bytes(30_000)})
        assert (large.status_code, "20000" in large.json()["detail"]) == (413, True)
        pixels = await running.client.post("/v1/search", files={"image": crop_file(1, 50, 61)})
        assert (pixels.status_code, "3000" in pixels.json()["detail"]) == (413, True)
        narrow = await running.client.post("/v1/search", files={"image": crop_file(1, 39, 60)})
        assert (narrow.status_code, "40" in narrow.json()["detail"]) == (422, True)
        manifest = json.dumps([{"file": name, "camera_id": "c", "timestamp": 1} for name in "ab"])
        batch = await running.client.post("/v1/detections:batch", files=[("manifest", (None, manifest))])
        assert (batch.status_code, "at most 1" in batch.json()["detail"]) == (413, True)


async def test_what_nobody_foresaw(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    async with run_application(settings) as running:
        await running.wait_until_ready()
        # A fake for failure: there is no decoder, as no programmer foresaw.
        running.application.state.components = replace(running.components, decoder=None)
        response = await running.client.post(
            "/v1/search", files={"image": crop_file(1)}, headers={"X-Request-Id": "unforeseen"}
        )
        assert response.status_code == 500
        assert response.json()["request_id"] == "unforeseen"
        assert "NoneType" not in response.text
        manifest = json.dumps([{"file": "a", "camera_id": "c", "timestamp": 1}])
        parts = [("manifest", (None, manifest)), ("images", ("a", crop_file(1)))]
        batch = await running.client.post("/v1/detections:batch", files=parts)
        assert [result["status"] for result in batch.json()["results"]] == [500]
        metrics = (await running.client.get("/metrics")).text
    assert 'route="/v1/search",status="500"' in metrics
    logged = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(logged) == 2
    assert all(record.exc_info for record in logged)


async def test_a_recovery_that_fails_is_told(settings: Settings) -> None:
    async with run_application(settings) as running:
        await running.wait_until_ready()
        for name in ("a", "b", "c"):
            await running.put(name)
    async with run_application(changed(settings, gallery_capacity=2)) as running:
        async with asyncio.timeout(30):
            while "failed" not in (response := await running.client.get("/readyz")).json()["detail"]:
                await asyncio.sleep(0.02)
        assert response.status_code == 503
        assert "2" in response.json()["detail"]
        assert (await running.search()).status_code == 503
        assert (await running.client.get("/livez")).status_code == 200

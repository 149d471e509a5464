"""A gallery that serves while another process makes its maps anew, writes that go on, kill -9, and the switch."""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from model.checkpoint import load_checkpoint
from service.components import open_components
from service.gallery_model import GalleryOfOtherModel
from service.recover_gallery import recover_gallery
from service.reindex.reindex_gallery import ReindexRefused
from service.reindex.run_reindex import run_abandon
from service.settings import Settings
from service.storage.detection_store import DetectionStore
from tests.service.drawn_crops import crop_file
from tests.service.reindexing import (
    OnDisk,
    assert_same_maps,
    extract_maps,
    look_at,
    record_with_image,
    reindex,
    start_command,
)
from tests.service.running_service import RunningService
from tests.service.stored_crops import check_agreement

TIME = 1_760_000_000
WAIT_SECONDS = 120

StartService = Callable[[Path], RunningService]
StartProcess = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "service"


@pytest.fixture
def start_service(data_dir: Path) -> Iterator[StartService]:
    """Starts services with one checkpoint or another on one data directory; those still running are killed."""
    started: list[RunningService] = []

    def start(checkpoint: Path) -> RunningService:
        started.append(RunningService.start(data_dir, checkpoint))
        return started[-1]

    yield start
    for service in started:
        if service.process.poll() is None:
            service.kill()


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[StartProcess]:
    """Starts commands of the program; those still running are killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> "subprocess.Popen[str]":
        started.append(start_command(tmp_path / f"{len(started)}.log", *arguments))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(10)


async def fill(settings: Settings, size: int) -> None:
    """Detections whose crops are images; their maps are made up."""
    async with open_components(settings) as components:
        await recover_gallery(components)
        for start in range(0, size, 100):
            records = [
                record_with_image(components, f"d{number:04}", number)
                for number in range(start, min(size, start + 100))
            ]
            await asyncio.gather(*(components.writer.put(record) for record in records))


def put(client: httpx.Client, detection_id: str, seed: int) -> None:
    client.put(
        f"/v1/detections/{detection_id}",
        files={"image": ("crop.jpg", crop_file(seed), "image/jpeg")},
        data={"camera_id": f"c{seed % 3}", "timestamp": str(TIME + seed)},
    ).raise_for_status()


def search(client: httpx.Client, seed: int) -> dict[str, Any]:
    files = {"image": ("crop.jpg", crop_file(seed), "image/jpeg")}
    answer: dict[str, Any] = client.post("/v1/search", files=files).raise_for_status().json()
    return answer


def assert_maps_of(data_dir: Path, checkpoint: Path, seeds: Mapping[str, int]) -> None:
    """Every detection's map on disk is what a model makes of its crop; no service runs."""
    store = DetectionStore.open(data_dir)
    found = [store.get_feature_map(detection_id) for detection_id in seeds]
    store.close()
    expected = extract_maps(checkpoint, [crop_file(seed) for seed in seeds.values()])
    assert_same_maps([each for each in found if each is not None], expected)


def wait_for(data_dir: Path, process: "subprocess.Popen[str]", is_so: Callable[[OnDisk], bool]) -> OnDisk:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = look_at(data_dir)
        if is_so(found):
            return found
        assert process.poll() is None, "the process ended before"
        time.sleep(0.02)
    raise TimeoutError(f"not within {WAIT_SECONDS} s")


@pytest.mark.slow
def test_the_old_gallery_serves_and_changes_while_it_is_reindexed(
    settings: Settings,
    start_service: StartService,
    start_process: StartProcess,
    data_dir: Path,
    tiny_checkpoint: Path,
    newer_checkpoint: Path,
) -> None:
    old, new = (load_checkpoint(path).fingerprint for path in (tiny_checkpoint, newer_checkpoint))
    asyncio.run(fill(settings, 300))
    service = start_service(tiny_checkpoint)
    expected = {f"d{number:04}": number for number in range(300)}
    with httpx.Client(base_url=service.url, timeout=30) as client:
        reindexing = start_process("reindex", "--checkpoint", newer_checkpoint, "--data-dir", data_dir, "--batch", 1)
        wait_for(data_dir, reindexing, lambda found: len(found.staged) >= 5)
        # Some of these were made already, others not yet.
        rounds_meanwhile = 0
        for number in range(0, 300, 30):
            replaced, added, erased = f"d{number:04}", f"added-{number}", f"d{number + 5:04}"
            put(client, replaced, 1000 + number)
            put(client, added, 1001 + number)
            client.delete(f"/v1/detections/{erased}").raise_for_status()
            del expected[erased]
            expected |= {replaced: 1000 + number, added: 1001 + number}
            found = search(client, 1000 + number)
            assert found["model"]["fingerprint"] == old
            assert found["matches"][0]["detection_id"] == replaced
            assert found["gallery"]["size"] == len(expected)
            rounds_meanwhile += reindexing.poll() is None
        assert rounds_meanwhile >= 2
        assert reindexing.wait(WAIT_SECONDS) == 0
        # Those of rounds after its end are missing; whatever is there is of the crop as it is now.
        written = {each for each, seed in expected.items() if seed >= 1000}
        staged = set(look_at(data_dir).staged)
        assert staged <= set(expected) <= staged | written
        assert len(written - staged) <= 2 * (10 - rounds_meanwhile)
        # After it has ended: a map that is stale by now, one that is erased, and one that is missing.
        put(client, "d0001", 2000)
        put(client, "late", 2001)
        client.delete("/v1/detections/d0002").raise_for_status()
        expected |= {"d0001": 2000, "late": 2001}
        del expected["d0002"]
        staged = set(look_at(data_dir).staged)
        assert staged <= set(expected)
        assert staged.isdisjoint({"d0001", "late"})
        assert set(look_at(data_dir).fingerprints.values()) == {old}
    assert service.stop() == 0, service.log

    switched = start_service(newer_checkpoint)
    with httpx.Client(base_url=switched.url, timeout=30) as client:
        gallery = client.get("/v1/gallery").json()
        assert (gallery["size"], gallery["other_model"]) == (len(expected), 0)
        assert client.get("/v1/detections/d0002").status_code == 404
        detection = client.get("/v1/detections/d0003").json()
        assert detection["model_fingerprint"] == new  # from Redis
        assert search(client, expected["d0003"])["matches"][0]["detection_id"] == "d0003"
    assert switched.stop() == 0, switched.log
    assert_maps_of(data_dir, newer_checkpoint, expected)
    after = look_at(data_dir)
    assert (after.model, after.staged) == ({"model_fingerprint": new}, ())
    assert after.fingerprints == dict.fromkeys(expected, new)
    with pytest.raises(RuntimeError, match=f"{len(expected)} detections of model {new}"):
        start_service(tiny_checkpoint)


# Each is a process killed at a moment of its own; more of them are a longer trial.
KILLS = int(os.environ.get("QACONV_REINDEX_KILLS", "2"))


def of_model(found: OnDisk, fingerprint: str) -> int:
    return sum(each == fingerprint for each in found.fingerprints.values())


@pytest.mark.slow
@pytest.mark.anyio
async def test_kill_nine_at_any_time_and_it_goes_on(
    settings: Settings, start_process: StartProcess, data_dir: Path, newer_checkpoint: Path
) -> None:
    size = 300 + 150 * KILLS
    await fill(settings, size)
    new = load_checkpoint(newer_checkpoint).fingerprint
    made = 0
    for _ in range(KILLS):
        flags = ("--checkpoint", newer_checkpoint, "--data-dir", data_dir, "--batch", 1)
        reindexing = start_process("reindex", *flags)
        at_least = made + 20
        made = len(wait_for(data_dir, reindexing, lambda found, n=at_least: len(found.staged) >= n).staged)
        reindexing.kill()
        reindexing.wait(10)
    assert made <= len(look_at(data_dir).staged) < size
    # The switch makes the many that are missing itself, and is killed in the midst of it.
    moved = 0
    for _ in range(KILLS):
        serving = start_process("serve", "--data-dir", data_dir, "--checkpoint", newer_checkpoint, "--port", 0)
        moved = of_model(wait_for(data_dir, serving, lambda found, n=moved: of_model(found, new) > n), new)
        serving.kill()
        serving.wait(10)
    killed = look_at(data_dir)
    assert moved <= of_model(killed, new) < size
    assert killed.model["switching_to"] == new
    with pytest.raises(GalleryOfOtherModel, match=f"half-way from model .* to {new}"):
        async with open_components(settings):
            pass
    with pytest.raises(ReindexRefused, match=f"half-way to model {new}"):
        await reindex(settings, newer_checkpoint)
    with pytest.raises(ReindexRefused, match="half-way"):
        await asyncio.to_thread(run_abandon, settings)
    async with open_components(settings.model_copy(update={"checkpoint": newer_checkpoint})) as components:
        await recover_gallery(components)
        assert await check_agreement(components) == [f"d{number:04}" for number in range(size)]
        assert components.slots.size == size
    assert_maps_of(data_dir, newer_checkpoint, {f"d{number:04}": number for number in range(size)})
    after = look_at(data_dir)
    assert (after.model, after.staged) == ({"model_fingerprint": new}, ())
    assert of_model(after, new) == size

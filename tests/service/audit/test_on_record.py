"""What of searches, comparisons and erasures is put on record, and in which order."""

import asyncio
import hashlib
import os
import threading
from dataclasses import fields, replace
from typing import Any

import pytest

from model.temporal_lifting import LiftingParameters
from service.access.camera_limit import CameraLimit
from service.audit.audit_events import AuditedParameters, Source
from service.audit.on_record import (
    compare_on_record,
    erase_detection_on_record,
    erase_detections_on_record,
    ingest_on_record,
    list_on_record,
    read_crop_on_record,
    read_feature_map_on_record,
    read_metadata_on_record,
    search_on_record,
)
from service.components import Components, open_components
from service.errors import (
    DetectionNotFound,
    Forbidden,
    InvalidField,
    QueueFull,
    StorageFull,
    Unavailable,
    UnreadableImage,
)
from service.ingest.ingest_detection import NewDetection
from service.records import CandidateFilter, DetectionFilter
from service.recover_gallery import recover_gallery
from service.search.search_records import SearchQuery, SearchResult
from service.settings import Settings
from tests.service.drawn_crops import crop_file
from tests.service.storage.audit_writing import read_record
from tests.service.storage.data_file import flip_wherever
from tests.service.stored_crops import at, draw_record, ingest, search_for

pytestmark = pytest.mark.anyio

SOURCE = Source("k1", "console", "192.0.2.7", "request-1")
SAID = {"key_id": "k1", "key_name": "console", "address": "192.0.2.7", "request_id": "request-1"}


def as_it_is(result: SearchResult) -> SearchResult:
    return result


def on_record(components: Components) -> list[dict[str, Any]]:
    return read_record(components.settings.data_dir)


async def test_a_search_by_picture(components: Components) -> None:
    await ingest(components, "a", 1, camera_id="c1", seconds=0)
    await ingest(components, "b", 2, camera_id="c2", seconds=10)
    await ingest(components, "c", 3, camera_id="c3", seconds=20)
    picture = crop_file(1)
    query = search_for(
        picture,
        camera_id="c1",
        seconds=1.5,
        limit=2,
        candidates=CandidateFilter(frozenset({"c2", "c1"}), frozenset({"c9"}), at(-100), at(100)),
        min_score=0.0,
        lifting=LiftingParameters(90, 80, 70, 0.2),
        include_pivots=True,
    )
    result = await search_on_record(components, query, SOURCE, as_it_is)
    (entry,) = on_record(components)
    assert entry["event"] == "search"
    assert entry["source"] == SAID
    assert entry["query"] == {
        "detection_id": None,
        "image": {"sha256": hashlib.sha256(picture).hexdigest(), "width": 40, "height": 80},
        "camera_id": "c1",
        "timestamp": "2026-09-21T14:13:21.500000Z",
    }
    assert entry["parameters"] == {
        "limit": 2,
        "group_by": "detection",
        "camera_ids": ["c1", "c2"],
        "exclude_camera_ids": ["c9"],
        "time_from": "2026-09-21T14:11:40.000000Z",
        "time_to": "2026-09-21T14:15:00.000000Z",
        "min_score": 0.0,
        "temporal_lifting": "auto",
        "tau_seconds": 90,
        "sigma_seconds": 80,
        "num_pivots": 70,
        "alpha": 0.2,
        "rerank": False,
        "num_correspondences": 0,
        "min_similarity": 0.5,
        "include_pivots": True,
    }
    assert entry["model_fingerprint"] == components.fingerprint
    answer = entry["answer"]
    assert (answer["gallery_size"], answer["candidates"], answer["lifting_applied"]) == (3, 2, True)
    assert (answer["nearby"], answer["pivots"]) == (["a"], len(result.lifting.pivots))
    assert answer["stand_in"] is None
    assert answer["matches"] == [
        {"detection_id": match.metadata.detection_id, "score": match.score} for match in result.matches
    ]
    assert entry["problem"] is None


async def test_a_re_ranked_search_with_a_stand_in(components: Components) -> None:
    await ingest(components, "a", 1, camera_id="c1", seconds=30)
    query = search_for(crop_file(2), temporal_lifting="bootstrap", rerank=True)
    await search_on_record(components, query, SOURCE, as_it_is)
    (entry,) = on_record(components)
    assert (entry["parameters"]["temporal_lifting"], entry["parameters"]["rerank"]) == ("bootstrap", True)
    assert (entry["query"]["camera_id"], entry["query"]["timestamp"]) == ("c1", "2026-09-21T14:13:50.000000Z")
    assert (entry["answer"]["stand_in"], entry["answer"]["nearby"]) == ("a", ["a"])


def test_every_parameter_of_a_search_is_on_record() -> None:
    """So that one that is added to searches is not forgotten here."""
    elsewhere = {"cameras", "image", "detection_id", "camera_id", "timestamp_us", "candidates", "lifting"}
    expected = {field.name for field in fields(SearchQuery)} - elsewhere
    expected |= {field.name for field in fields(LiftingParameters)}
    expected |= {field.name.removesuffix("_us") for field in fields(CandidateFilter)}
    assert {field.name for field in fields(AuditedParameters)} == expected


async def test_a_search_by_stored_detection(components: Components) -> None:
    await ingest(components, "a", 1, camera_id="c1")
    await search_on_record(components, search_for(detection_id="a", temporal_lifting="off"), SOURCE, as_it_is)
    (entry,) = on_record(components)
    assert entry["query"] == {
        "detection_id": "a",
        "image": None,
        "camera_id": "c1",
        "timestamp": "2026-09-21T14:13:20.000000Z",
    }
    assert (entry["answer"]["matches"], entry["answer"]["lifting_applied"]) == ([], False)


async def test_searches_that_fail(components: Components) -> None:
    gate = CameraLimit(frozenset({"gate"}), "k1")
    await ingest(components, "of-c1", 1, camera_id="c1")
    for query, error in (
        (search_for(detection_id="nobody"), DetectionNotFound),
        (search_for(detection_id="of-c1", cameras=gate), DetectionNotFound),
        (search_for(b"no picture"), UnreadableImage),
        (search_for(crop_file(1), temporal_lifting="on"), InvalidField),
    ):
        with pytest.raises(error):
            await search_on_record(components, query, SOURCE, as_it_is)
    entries = on_record(components)
    problems = ["detection-not-found", "detection-not-found", "unreadable-image", "invalid-field"]
    assert [entry["problem"] for entry in entries] == problems
    assert [entry["answer"] for entry in entries] == [None] * 4
    assert entries[0]["query"]["detection_id"] == "nobody"
    assert entries[2]["query"]["image"] == {
        "sha256": hashlib.sha256(b"no picture").hexdigest(),
        "width": None,
        "height": None,
    }


async def test_a_search_given_up_is_on_record_and_one_refused_by_a_full_queue_not(
    components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def take_for_ever(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr("service.audit.on_record.search_gallery", take_for_ever)
        searching = asyncio.create_task(search_on_record(components, search_for(crop_file(1)), SOURCE, as_it_is))
        await begun.wait()
        searching.cancel()
        await asyncio.gather(searching, return_exceptions=True)
    monkeypatch.setattr(components.decoder, "_max_waiting", 0)
    with pytest.raises(QueueFull):
        await search_on_record(components, search_for(crop_file(1)), SOURCE, as_it_is)
    await asyncio.to_thread(components.audit.close)
    assert [entry["problem"] for entry in on_record(components)] == ["given-up"]


async def test_what_is_described_meanwhile_waits_for_the_record(
    components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    described, may_be_written = threading.Event(), threading.Event()
    synchronise = os.fdatasync

    def wait_and_synchronise(file: int) -> None:
        assert may_be_written.wait(10)
        synchronise(file)

    def describe(result: SearchResult) -> int:
        described.set()
        return result.gallery_size

    await ingest(components, "a", 1)
    monkeypatch.setattr(os, "fdatasync", wait_and_synchronise)
    searching = asyncio.create_task(search_on_record(components, search_for(crop_file(1)), SOURCE, describe))
    assert await asyncio.to_thread(described.wait, 10)
    await asyncio.sleep(0.05)
    assert not searching.done()
    may_be_written.set()
    assert await searching == 1
    assert [entry["event"] for entry in on_record(components)] == ["search"]


async def test_a_comparison(components: Components) -> None:
    pictures = crop_file(1), crop_file(2, 50, 90)
    comparison = await compare_on_record(components, *pictures, 20, SOURCE)
    with pytest.raises(UnreadableImage):
        await compare_on_record(components, pictures[0], b"text", 20, SOURCE)
    entry, failed = on_record(components)
    assert (entry["event"], entry["source"], entry["problem"]) == ("compare", SAID, None)
    assert entry["query"] == {"sha256": hashlib.sha256(pictures[0]).hexdigest(), "width": 40, "height": 80}
    assert entry["gallery"] == {"sha256": hashlib.sha256(pictures[1]).hexdigest(), "width": 50, "height": 90}
    assert entry["appearance_score"] == comparison.appearance_score
    assert (failed["appearance_score"], failed["problem"]) == (None, "unreadable-image")


async def test_erasing_one(components: Components) -> None:
    await ingest(components, "a", 1)
    await erase_detection_on_record(components, "a", SOURCE)
    with pytest.raises(DetectionNotFound):
        await erase_detection_on_record(components, "a", SOURCE)
    first, done, second, absent = on_record(components)
    assert [entry["event"] for entry in (first, done)] == ["erase_requested", "erased"]
    assert first["meant"]["detection_id"] == "a"
    assert (first["source"], done["source"]) == (SAID, SAID)
    assert done["requested"] == first["sequence"]
    assert (done["count"], done["detection_ids"], done["is_complete"]) == (1, ["a"], True)
    assert absent["requested"] == second["sequence"]
    assert (absent["count"], absent["problem"], absent["is_complete"]) == (0, "detection-not-found", True)


async def test_erasing_many_takes_several_entries(components: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.audit.on_record._IDS_IN_ONE_ENTRY", 40)
    await asyncio.gather(*(components.writer.put(draw_record(components, f"d{n:03}", n)) for n in range(100)))
    chosen = DetectionFilter(camera_id="c1", time_from_us=at(10))
    assert (await erase_detections_on_record(components, chosen, SOURCE)).erased == 90
    first, *done = on_record(components)
    assert first["meant"] == {
        "detection_id": None,
        "camera_id": "c1",
        "track_id": None,
        "person_id": None,
        "time_from": "2026-09-21T14:13:30.000000Z",
        "time_to": None,
    }
    assert [(entry["part"], entry["parts"], entry["count"]) for entry in done] == [(1, 3, 90), (2, 3, 90), (3, 3, 90)]
    ids = [detection_id for entry in done for detection_id in entry["detection_ids"]]
    assert sorted(ids) == [f"d{n:03}" for n in range(10, 100)]


async def test_an_erasure_that_fails_half_way_tells_what_it_erased(
    components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.gather(*(components.writer.put(draw_record(components, f"d{n:03}", n)) for n in range(100)))
    delete = components.store.delete

    async def fail_on_one(detection_ids: list[str]) -> object:
        if detection_ids == ["d070"]:
            raise Unavailable("the disk is away")
        return await delete(detection_ids)

    monkeypatch.setattr(components.store, "delete", fail_on_one)
    with pytest.raises(Unavailable):
        await erase_detections_on_record(components, DetectionFilter(camera_id="c1"), SOURCE)
    _, done = on_record(components)
    left = {metadata.detection_id for metadata in components.store.iterate_metadata()}
    assert "d070" in left
    assert set(done["detection_ids"]) == {f"d{n:03}" for n in range(100)} - left
    assert (done["is_complete"], done["problem"]) == (False, "unavailable")


async def test_without_record_no_search_but_an_erasure(
    components: Components, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await ingest(components, "a", 1)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        with pytest.raises(StorageFull, match="nothing is answered that is not on record"):
            await search_on_record(components, search_for(crop_file(1)), SOURCE, as_it_is)
        with pytest.raises(StorageFull):
            await compare_on_record(components, crop_file(1), crop_file(2), 20, SOURCE)
        await erase_detection_on_record(components, "a", SOURCE)
    assert components.store.get_crop("a") is None
    assert "an event erase_requested goes ahead" in caplog.text
    assert on_record(components) == []
    await components.audit.retry()
    entries = on_record(components)
    assert [entry["event"] for entry in entries] == ["erase_requested", "erased", "audit_resumed"]
    assert (entries[1]["requested"], entries[1]["detection_ids"]) == (None, ["a"])


async def test_nothing_of_a_picture_is_on_record(components: Components) -> None:
    """Neither its bytes nor any usual writing of them."""
    picture = crop_file(1)
    await ingest(components, "a", 1)
    await search_on_record(components, search_for(picture), SOURCE, as_it_is)
    await compare_on_record(components, picture, crop_file(2), 20, SOURCE)
    await erase_detection_on_record(components, "a", replace(SOURCE, request_id="r2"))
    content = b"".join(path.read_bytes() for path in components.audit.directory.glob("*.jsonl"))
    assert len(content) < len(picture) + 4000
    for part in (picture[200:208], picture[200:208].hex().encode(), b"/9j/", b"JFIF", b"IHDR"):
        assert part not in content


async def test_who_fetched_metadata_a_crop_or_a_feature_map(components: Components) -> None:
    await ingest(components, "a", 1)
    assert (await read_metadata_on_record(components, "a", SOURCE)).camera_id == "c1"
    assert (await read_crop_on_record(components, "a", SOURCE)).content == crop_file(1)
    await read_feature_map_on_record(components, "a", SOURCE)
    with pytest.raises(DetectionNotFound):
        await read_crop_on_record(components, "nobody", SOURCE)
    told = [(entry["event"], entry["source"], entry["detection_id"], entry["part"]) for entry in on_record(components)]
    assert told == [("fetch", SAID, "a", part) for part in ("metadata", "image", "feature_map")]


async def test_who_listed_what(components: Components) -> None:
    for number in range(3):
        await ingest(components, f"d{number}", number, seconds=number, person_id="p", camera_id=f"c{number}")
    by_person = DetectionFilter(person_id="p", time_from_us=at(0))
    page = await list_on_record(components, by_person, 2, None, source=SOURCE)
    await list_on_record(components, by_person, 2, page.next_cursor, source=SOURCE)
    gate = CameraLimit(frozenset({"c2", "gate"}), "k1")
    await list_on_record(components, DetectionFilter(), 2, None, source=SOURCE, cameras=gate)
    first, second, limited = on_record(components)
    assert (first["event"], first["source"], first["cameras"]) == ("list", SAID, None)
    assert first["filter"] == {
        "detection_id": None,
        "camera_id": None,
        "track_id": None,
        "person_id": "p",
        "time_from": "2026-09-21T14:13:20.000000Z",
        "time_to": None,
    }
    assert [(entry["count"], entry["is_continued"], entry["limit"]) for entry in (first, second)] == [
        (2, False, 2),
        (1, True, 2),
    ]
    assert (limited["count"], limited["cameras"]) == (1, ["c2", "gate"])


def new(seed: int, camera_id: str = "c1", seconds: float = 0, **labels: str | None) -> NewDetection:
    """The detection `a`."""
    labels = {"track_id": None, "person_id": None, **labels}
    return NewDetection("a", camera_id, at(seconds), image=crop_file(seed), **labels)


async def test_a_replacement_by_another_picture_camera_or_time(components: Components) -> None:
    for detection in (new(1), new(1), new(1, person_id="p"), new(2), new(2, camera_id="c2"), new(2, "c2", seconds=1)):
        await ingest_on_record(components, detection, SOURCE)
    pixels, camera, time = on_record(components)
    first, second = (hashlib.sha256(crop_file(seed)).hexdigest() for seed in (1, 2))
    when = "2026-09-21T14:13:20.000000Z"
    assert (pixels["event"], pixels["source"], pixels["detection_id"]) == ("replace", SAID, "a")
    assert pixels["before"] == {"camera_id": "c1", "timestamp": when, "image_sha256": first}
    assert pixels["after"] == {"camera_id": "c1", "timestamp": when, "image_sha256": second}
    assert (camera["before"]["camera_id"], camera["after"]["camera_id"]) == ("c1", "c2")
    assert (time["before"]["timestamp"], time["after"]["timestamp"]) == (when, "2026-09-21T14:13:21.000000Z")


async def test_a_replacement_where_no_crops_are_kept(settings: Settings) -> None:
    async with open_components(settings.model_copy(update={"store_crops": False})) as components:
        await recover_gallery(components)
        for seed in (1, 1, 2):
            await ingest_on_record(components, new(seed), SOURCE)
        (entry,) = on_record(components)
    assert entry["before"]["image_sha256"] is None
    assert entry["after"]["image_sha256"] == hashlib.sha256(crop_file(2)).hexdigest()


async def test_a_damaged_detection_that_is_replaced(components: Components) -> None:
    await ingest(components, "a", 1)
    flip_wherever(components.settings.data_dir, crop_file(1), 200)
    await ingest_on_record(components, new(1), SOURCE)
    (entry,) = on_record(components)
    assert (entry["before"]["camera_id"], entry["before"]["image_sha256"]) == ("c1", None)
    assert (await read_crop_on_record(components, "a", SOURCE)).content == crop_file(1)


async def test_a_replacement_that_cannot_be_put_on_record_is_not_made(components: Components) -> None:
    await ingest(components, "a", 1)
    components.audit.close()
    with pytest.raises(Unavailable):
        await ingest_on_record(components, new(2), SOURCE)
    assert components.store.get_crop("a") == crop_file(1)
    assert components.writer.unsettled == frozenset()


async def test_one_of_two_replacements_at_once_replaces_the_other(components: Components) -> None:
    await ingest(components, "a", 1)
    await asyncio.gather(*(ingest_on_record(components, new(seed), SOURCE) for seed in (2, 3)))
    first, second = on_record(components)
    assert first["after"] == second["before"]


async def test_a_limited_key_ingests_for_its_cameras_and_replaces_what_they_stored(components: Components) -> None:
    gate = CameraLimit(frozenset({"gate"}), "k1")
    with pytest.raises(Forbidden, match="the API key k1 is for camera gate alone; the request names camera c1"):
        await ingest_on_record(components, new(1), SOURCE, gate)
    await ingest_on_record(components, new(1, "gate"), SOURCE, gate)
    await ingest_on_record(components, new(2, "gate"), SOURCE, gate)
    await ingest(components, "a", 1, camera_id="c1")
    with pytest.raises(Forbidden, match="'a' that is stored is of another: use another ID"):
        await ingest_on_record(components, new(2, "gate"), SOURCE, gate)
    assert components.store.get_crop("a") == crop_file(1)


async def test_a_crop_that_cannot_be_put_on_record_is_withheld(components: Components) -> None:
    await ingest(components, "a", 1)
    components.audit.close()
    with pytest.raises(Unavailable):
        await read_crop_on_record(components, "a", SOURCE)

"""What changes while a search is on its way, and what is not there when it begins."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from service.components import Components
from service.erasure.erase_detections import erase_detection, erase_detections
from service.errors import OtherModel, Unavailable
from service.read_detections import list_detections, read_metadata
from service.records import DetectionFilter, DetectionMetadata
from service.search.search_gallery import search_gallery
from service.storage.metadata.metadata_index import MetadataIndex
from tests.service.drawn_crops import crop_file
from tests.service.search.crowd import crowd, ids
from tests.service.stored_crops import at, draw_record, ingest, search_for

__all__ = ["crowd"]  # a fixture

pytestmark = pytest.mark.anyio


async def test_a_query_of_another_model_is_refused(components: Components) -> None:
    await components.writer.put(draw_record(components, "old", model_fingerprint="0" * 64))
    with pytest.raises(OtherModel, match="PUT"):
        await search_gallery(components, search_for(None, "old"))


@pytest.mark.parametrize("num_correspondences", [0, 20])
async def test_what_is_erased_after_it_was_scored_is_left_out(
    components: Components, monkeypatch: pytest.MonkeyPatch, num_correspondences: int
) -> None:
    for number in range(5):
        await ingest(components, f"d{number}", number)
    query = search_for(crop_file(2), limit=4, num_correspondences=num_correspondences)
    before = ids(await search_gallery(components, query))
    assert before[0] == "d2"
    get = components.index.get

    async def get_after_an_erasure(detection_ids: Sequence[str]) -> list[DetectionMetadata | None]:
        await erase_detection(components, "d2")
        return await get(detection_ids)

    monkeypatch.setattr(components.index, "get", get_after_an_erasure)
    result = await search_gallery(components, query)
    assert ids(result) == before[1:]
    assert [match.rank for match in result.matches] == [1, 2, 3]
    assert result.num_candidates == 5


async def test_nearby_persons_erased_on_the_way_are_not_reported(
    components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        await ingest(components, f"d{number}", number, "c1", number)
    nearby = components.index.nearby

    async def nearby_before_an_erasure(*args: object) -> tuple[list[str], bool]:
        found = await nearby(*args)  # type: ignore[arg-type]
        if "d2" in found[0]:
            await erase_detection(components, "d2")
        return found

    monkeypatch.setattr(components.index, "nearby", nearby_before_an_erasure)
    result = await search_gallery(components, search_for(crop_file(9), None, "c1", 0, include_pivots=True))
    assert result.lifting.nearby == ("d0", "d1", "d3")
    assert {each.retrieved_by for each in result.lifting.pivots} == {None, "d0", "d1", "d3"}


async def test_a_stand_in_that_is_erased_on_the_way_is_not_named_and_one_that_moves_is_named_as_it_was(
    components: Components, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        await ingest(components, f"d{number}", number, "c1", 10 * number)
    query = search_for(crop_file(2), temporal_lifting="bootstrap")
    nearby = components.index.nearby

    async def nearby_after_a_move(*args: object) -> tuple[list[str], bool]:
        await ingest(components, "d2", 2, "c2", 300)
        return await nearby(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(components.index, "nearby", nearby_after_a_move)
    result = await search_gallery(components, query)
    assert (result.lifting.stand_in, result.query.camera_id, result.query.timestamp_us) == ("d2", "c1", at(20))
    assert result.lifting.nearby == ("d1", "d3", "d0")
    assert {each.metadata.detection_id: each.metadata.camera_id for each in result.matches}["d2"] == "c2"

    async def nearby_after_an_erasure(*args: object) -> tuple[list[str], bool]:
        await components.writer.erase("d2")
        return await nearby(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(components.index, "nearby", nearby_after_an_erasure)
    with pytest.raises(Unavailable, match="stood in for the query was erased"):
        await search_gallery(components, query)
    monkeypatch.undo()
    assert (await search_gallery(components, query)).lifting.stand_in in ("d0", "d1", "d3")


async def test_what_changed_since_it_was_scored_is_left_out(crowd: Components, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [match.metadata.detection_id for match in (await search_gallery(crowd, search_for(crop_file(0)))).matches]
    get = type(crowd.index).get

    async def moved(index: MetadataIndex, detection_ids: Sequence[str]) -> list[DetectionMetadata | None]:
        found = await get(index, detection_ids)
        return [
            replace(each, camera_id="elsewhere") if each and each.detection_id == before[1] else each for each in found
        ]

    monkeypatch.setattr(type(crowd.index), "get", moved)
    after = [match.metadata.detection_id for match in (await search_gallery(crowd, search_for(crop_file(0)))).matches]
    assert after == [before[0], *before[2:]]


async def test_an_emptied_redis_is_an_error_and_not_an_empty_answer(components: Components) -> None:
    await ingest(components, "d00", 0)
    await components.index._client.flushall()
    with pytest.raises(Unavailable, match="not in step"):
        await search_gallery(components, search_for(crop_file(0), camera_id="c1", seconds=0))
    with pytest.raises(Unavailable, match="not in step"):
        await list_detections(components, DetectionFilter(), 10, None)
    with pytest.raises(Unavailable, match="not in step"):
        await read_metadata(components, "d00")
    with pytest.raises(Unavailable, match="not in step"):
        await erase_detections(components, DetectionFilter(camera_id="c1"))
    with pytest.raises(Unavailable, match="not in step"):
        await ingest(components, "new", 1)
    assert components.store.get_crop("new") is None


@pytest.mark.parametrize("num_correspondences", [0, 20])
async def test_a_redis_emptied_before_the_last_thing_is_read_of_it_is_an_error_too(
    components: Components, monkeypatch: pytest.MonkeyPatch, num_correspondences: int
) -> None:
    await ingest(components, "d00", 0)
    get = components.index.get

    async def get_from_the_emptied(detection_ids: Sequence[str]) -> list[DetectionMetadata | None]:
        await components.index._client.flushall()
        return await get(detection_ids)

    monkeypatch.setattr(components.index, "get", get_from_the_emptied)
    with pytest.raises(Unavailable, match="not in step"):
        await search_gallery(components, search_for(crop_file(0), num_correspondences=num_correspondences))

"""Every search answers the same, to the last bit, from float16 maps and from int8 ones and exact scores of the best."""

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from model.temporal_lifting import LiftingParameters
from service.errors import DetectionNotFound
from service.records import CandidateFilter
from service.search.search_gallery import search_gallery
from service.search.search_records import SearchQuery, SearchResult
from service.settings import Settings
from tests.service.drawn_crops import crop_file
from tests.service.search.crowd import QUERY_SEED, open_crowd
from tests.service.stored_crops import search_for

FORMATS = {"float16": ("float16", "auto"), "beside": ("int8", "device"), "on the disk": ("int8", "disk")}


def queries() -> list[SearchQuery]:
    plain = search_for(crop_file(QUERY_SEED), None, "c1", 100, limit=5, include_pivots=True)
    few = LiftingParameters(num_pivots=4)
    return [
        replace(plain, temporal_lifting="off"),
        plain,
        replace(plain, lifting=few),
        replace(plain, lifting=few, rerank=True),
        replace(plain, group_by="person", limit=3),
        replace(plain, group_by="track", temporal_lifting="off"),
        replace(plain, candidates=CandidateFilter(exclude_camera_ids=frozenset({"c1"})), lifting=few),
        replace(plain, min_score=0.01, limit=1000),
        search_for(crop_file(QUERY_SEED + 1), temporal_lifting="bootstrap", lifting=few, limit=5),
        search_for(detection_id="d17", lifting=few, limit=3),
    ]


def answer(result: SearchResult) -> SearchResult:
    matches = [replace(match, metadata=replace(match.metadata, created_at_us=0)) for match in result.matches]
    return replace(result, timing_ms=None, matches=matches)


@pytest.mark.anyio
async def test_every_search_is_answered_the_same(tmp_path: Path, tiny_checkpoint: Path) -> None:
    base = Settings(data_dir=tmp_path, checkpoint=tiny_checkpoint, device="cpu", gallery_capacity=100)
    async with AsyncExitStack() as stack:
        opened = {}
        for name, (precision, exact_maps) in FORMATS.items():
            wanted = {"data_dir": tmp_path / name, "precision": precision, "exact_maps": exact_maps}
            opened[name] = await stack.enter_async_context(open_crowd(base.model_copy(update=wanted)))
        for query in queries():
            expected = answer(await search_gallery(opened["float16"], query))
            for name in ("beside", "on the disk"):
                # Twice: the second time, some of it is remembered.
                for _ in range(2):
                    assert answer(await search_gallery(opened[name], query)) == expected
        assert {components.gallery.precision for components in opened.values()} == {"float16", "int8"}
        with pytest.raises(DetectionNotFound):
            await search_gallery(opened["on the disk"], search_for(detection_id="nobody"))

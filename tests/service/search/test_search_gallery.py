"""Search, from the crop to the ranked answer."""

import asyncio
import random
from dataclasses import fields, replace

import numpy as np
import pytest

from service.components import Components
from service.errors import DetectionNotFound, UnreadableImage
from service.observability.stage_timing import Timing
from service.records import CandidateFilter
from service.search.compare_crops import compare_crops
from service.search.search_gallery import search_gallery
from service.search.search_records import SearchQuery
from tests.service.drawn_crops import crop_file
from tests.service.search.crowd import COUNT, QUERY_SEED, appearance_of, by_id, check_order, crowd, ids
from tests.service.stored_crops import at, draw_record, ingest, search_for

__all__ = ["crowd"]  # a fixture

pytestmark = pytest.mark.anyio


async def test_a_posted_crop_scores_as_it_does_when_it_is_stored(crowd: Components) -> None:
    posted = await appearance_of(crowd, image=crop_file(7))
    stored = await appearance_of(crowd, detection_id="d07")
    assert posted.keys() - stored.keys() == {"d07"}
    for key, score in stored.items():
        assert posted[key] == pytest.approx(score, abs=1e-5)
    assert max(posted, key=posted.__getitem__) == "d07"


async def test_the_answer_says_what_was_understood(crowd: Components) -> None:
    result = await search_gallery(crowd, search_for(crop_file(3), camera_id="c1", seconds=5, limit=3))
    seen = result.query
    assert (seen.detection_id, seen.camera_id, seen.timestamp_us) == (None, "c1", at(5))
    assert (seen.image_width, seen.image_height) == (40, 80)
    assert (result.gallery_size, result.num_candidates, len(result.matches)) == (COUNT, COUNT, 3)
    assert result.matches[0].metadata == crowd.store.get_metadata(result.matches[0].metadata.detection_id)
    stages = [getattr(result.timing_ms, field.name) for field in fields(Timing)]
    assert min(stages) > 0
    assert result.timing_ms.total >= sum(stages[:-1])
    stored = await search_gallery(crowd, search_for(None, "d05", "elsewhere", 7))
    assert (stored.query.detection_id, stored.query.camera_id, stored.query.timestamp_us) == ("d05", "elsewhere", at(7))
    assert stored.lifting.nearby == ()


@pytest.mark.parametrize(
    ("candidates", "is_candidate"),
    [
        (CandidateFilter(camera_ids=frozenset({"c1"})), lambda each: each.camera_id == "c1"),
        (CandidateFilter(exclude_camera_ids=frozenset({"c1", "c7"})), lambda each: each.camera_id != "c1"),
        (CandidateFilter(time_from_us=at(60)), lambda each: each.timestamp_us >= at(60)),
        (CandidateFilter(time_to_us=at(60)), lambda each: each.timestamp_us < at(60)),
        (CandidateFilter(camera_ids=frozenset({"nobody"})), lambda _: False),
    ],
)
async def test_filters_leave_out_and_change_no_appearance_score(
    crowd: Components, candidates: CandidateFilter, is_candidate: object
) -> None:
    assert callable(is_candidate)
    everyone = await appearance_of(crowd, image=crop_file(QUERY_SEED))
    expected = {each.detection_id for each in crowd.store.iterate_metadata() if is_candidate(each)}
    for lifting in ("off", "on"):
        query = search_for(crop_file(QUERY_SEED), None, "c1", 100, candidates=candidates, temporal_lifting=lifting)
        result = await search_gallery(crowd, query)
        assert by_id(result).keys() == expected
        assert result.num_candidates == len(expected)
        for key, match in by_id(result).items():
            assert match.appearance_score == pytest.approx(everyone[key], abs=1e-6)


@pytest.mark.parametrize("group_by", ["track", "person"])
@pytest.mark.parametrize("limit", [1, 4, 1000])
async def test_the_best_of_each_group_stands_for_it(crowd: Components, group_by: str, limit: int) -> None:
    query = search_for(crop_file(QUERY_SEED), None, "c1", 100)
    everyone = await search_gallery(crowd, query)
    expected: list[str] = []
    groups: set[str] = set()
    for match in everyone.matches:
        label = match.metadata.track_id if group_by == "track" else match.metadata.person_id
        if label is None or label not in groups:
            expected.append(match.metadata.detection_id)
            groups.add(label or "")
    result = await search_gallery(crowd, replace(query, group_by=group_by, limit=limit))
    assert ids(result) == expected[:limit]
    check_order(result)


async def test_min_score_drops_lower_final_scores(crowd: Components) -> None:
    query = search_for(crop_file(QUERY_SEED), None, "c1", 100)
    everyone = await search_gallery(crowd, query)
    lowest = everyone.matches[9].score
    result = await search_gallery(crowd, replace(query, min_score=lowest))
    assert ids(result) == ids(everyone)[:10]
    assert ids(await search_gallery(crowd, replace(query, min_score=lowest, limit=4))) == ids(everyone)[:4]
    assert (await search_gallery(crowd, replace(query, min_score=1.2))).matches == ()


async def test_correspondences_are_those_of_a_comparison(crowd: Components) -> None:
    image = crop_file(7)
    query = search_for(image, limit=4, num_correspondences=1000, min_similarity=-1.0)
    result = await search_gallery(crowd, query)
    assert len(result.matches) == 4
    for match in result.matches:
        crop = crowd.store.get_crop(match.metadata.detection_id)
        assert crop is not None
        compared = await compare_crops(crowd, image, crop, 1000, -1.0)
        assert len(match.correspondences) >= 32
        both = match.correspondences, compared.correspondences
        similarities = [[each.similarity for each in found] for found in both]
        # The crops of a comparison are extracted together: convolutions may add in another order.
        np.testing.assert_allclose(*similarities, atol=2e-3)
        assert match.appearance_score == pytest.approx(compared.appearance_score, abs=5e-3)
    few = await search_gallery(crowd, replace(query, num_correspondences=5))
    assert [each.correspondences for each in few.matches] == [each.correspondences[:5] for each in result.matches]
    itself = result.matches[0]
    assert itself.metadata.detection_id == "d07"
    assert {each.query == each.gallery for each in itself.correspondences if each.similarity > 0.9999} == {True}


async def test_without_correspondences_nothing_is_matched_again(crowd: Components) -> None:
    result = await search_gallery(crowd, search_for(crop_file(1), num_correspondences=0, limit=5))
    assert [match.correspondences for match in result.matches] == [()] * 5
    result = await search_gallery(crowd, search_for(crop_file(1), num_correspondences=20, min_similarity=1.01, limit=5))
    assert [match.correspondences for match in result.matches] == [()] * 5


async def test_searches_at_once_give_what_each_gives_alone(crowd: Components) -> None:
    queries: list[SearchQuery] = []
    for number in range(24):
        candidates = CandidateFilter(exclude_camera_ids=frozenset({f"c{number % 4}"}))
        if number % 3:
            queries.append(search_for(crop_file(500 + number), None, f"c{number % 3}", 10 * number))
        else:
            queries.append(search_for(None, f"d{number:02}"))
        queries[-1] = replace(queries[-1], candidates=candidates, include_pivots=True)
    alone = [await search_gallery(crowd, query) for query in queries]
    together = await asyncio.gather(*(search_gallery(crowd, query) for query in queries))
    for one, other in zip(alone, together, strict=True):
        assert one.lifting.nearby == other.lifting.nearby
        assert by_id(one).keys() == by_id(other).keys()
        # Crops extracted in one batch differ by a rounding of float16 here and there.
        for key, match in by_id(one).items():
            assert by_id(other)[key].appearance_score == pytest.approx(match.appearance_score, abs=1e-3)


async def test_an_unknown_query_or_a_bad_image_is_an_error(crowd: Components) -> None:
    with pytest.raises(DetectionNotFound, match="'nobody'"):
        await search_gallery(crowd, search_for(None, "nobody"))
    with pytest.raises(UnreadableImage):
        await search_gallery(crowd, search_for(b"text"))


async def test_an_empty_gallery_has_no_matches(components: Components) -> None:
    for lifting in ("on", "off"):
        query = search_for(crop_file(1), None, "c1", 5, temporal_lifting=lifting, include_pivots=True)
        result = await search_gallery(components, replace(query, num_correspondences=20))
        assert (result.matches, result.gallery_size, result.num_candidates) == ((), 0, 0)
        assert (result.lifting.nearby, result.lifting.pivots) == ((), ())
    await ingest(components, "alone", 1)
    result = await search_gallery(components, search_for(None, "alone", group_by="person"))
    assert (result.matches, result.gallery_size, result.num_candidates) == ((), 1, 0)


@pytest.mark.parametrize("lifting", ["off", "on"])
async def test_equal_scores_are_ordered_by_id_also_where_they_are_cut(components: Components, lifting: str) -> None:
    names = [f"d{number:02}" for number in range(30)]
    shuffled = random.Random(2).sample(names, len(names))
    await asyncio.gather(*(ingest(components, f"other{number}", 100 + number) for number in range(7)))
    feature_map = draw_record(components, "same", 1).feature_map
    for name in shuffled:
        await components.writer.put(replace(draw_record(components, name, timestamp_us=at(0)), feature_map=feature_map))
    query = search_for(crop_file(1), None, "c1", 0, temporal_lifting=lifting)
    everyone = await search_gallery(components, query)
    assert [each for each in ids(everyone) if each.startswith("d")] == names
    assert len({match.score for key, match in by_id(everyone).items() if key.startswith("d")}) == 1
    for limit in (1, 5, 9, 29):
        assert ids(await search_gallery(components, replace(query, limit=limit))) == ids(everyone)[:limit]

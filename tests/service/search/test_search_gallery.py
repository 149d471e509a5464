"""Search, from the crop to the ranked answer."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from model.temporal_lifting import LiftingParameters
from reference.temporal_lifting import Seen, lift
from service.components import Components, open_components
from service.erasure.erase_detections import erase_detection, erase_detections
from service.errors import DetectionNotFound, InvalidField, OtherModel, Unavailable, UnreadableImage
from service.observability.stage_timing import Timing
from service.read_detections import list_detections, read_metadata
from service.records import CandidateFilter, DetectionFilter, DetectionMetadata
from service.recover_gallery import recover_gallery
from service.search.compare_crops import compare_crops
from service.search.search_gallery import search_gallery
from service.search.search_records import Match, SearchQuery, SearchResult
from service.settings import Settings
from service.storage.metadata.metadata_index import MetadataIndex
from tests.service.drawn_crops import crop_file
from tests.service.stored_crops import at, draw_record, ingest, search_for

pytestmark = pytest.mark.anyio

COUNT = 48
QUERY_SEED = 1000


@pytest.fixture(scope="module")
async def crowd(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> AsyncIterator[Components]:
    """48 detections of 12 people in 3 cameras within 4 minutes; tests only read it."""
    directory = tmp_path_factory.mktemp("crowd")
    settings = Settings(data_dir=directory, checkpoint=tiny_checkpoint, device="cpu", gallery_capacity=100)
    drawn = random.Random(1)
    async with open_components(settings) as components:
        await recover_gallery(components)
        for number in range(COUNT):
            labels = {"track_id": f"t{number // 3}" if number % 5 else None, "person_id": f"p{number % 12}"}
            seconds = round(drawn.uniform(0, 240), 3)
            await ingest(components, f"d{number:02}", number, f"c{number % 3}", seconds, **labels)
        yield components


def ids(result: SearchResult) -> list[str]:
    return [match.metadata.detection_id for match in result.matches]


def by_id(result: SearchResult) -> dict[str, Match]:
    return {match.metadata.detection_id: match for match in result.matches}


def check_order(result: SearchResult) -> None:
    keys = [(-match.score, match.metadata.detection_id) for match in result.matches]
    assert keys == sorted(keys)
    assert [match.rank for match in result.matches] == list(range(1, len(keys) + 1))


async def appearance_of(components: Components, **query: object) -> dict[str, float]:
    result = await search_gallery(components, search_for(**query, temporal_lifting="off"))
    return {key: match.appearance_score for key, match in by_id(result).items()}


async def lift_by_hand(
    components: Components, query_scores: dict[str, float], nearby: Sequence[str], parameters: LiftingParameters
) -> tuple[dict[str, float], list[tuple[str | None, str]]]:
    """The query's scores lifted by slow loops, from an appearance search with each nearby detection's crop.

    Returns:
        Final scores by ID, and (retrieved by, detection) of every pivot.
    """
    nearby_scores = [await appearance_of(components, image=components.store.get_crop(near)) for near in nearby]
    found = [query_scores, *nearby_scores]
    order = sorted(query_scores)
    metadata = [components.store.get_metadata(each) for each in order]
    seen = [
        Seen(each.detection_id, int(each.camera_id[1:]), (each.timestamp_us - at(0)) / 1e6) for each in metadata if each
    ]
    lifted = lift(
        [query_scores[each] for each in order],
        [[scores[each] for each in order] for scores in found],
        seen,
        parameters.num_pivots,
        parameters.sigma_seconds,
        parameters.alpha,
    )
    rows = [None, *nearby]
    pivots = [(rows[row], order[place]) for camera in sorted(lifted.pivots) for row, place in lifted.pivots[camera]]
    return dict(zip(order, lifted.scores, strict=True)), pivots


def nearby_by_hand(components: Components, camera_id: str, seconds: float, tau_seconds: float) -> list[str]:
    near: list[tuple[int, str]] = []
    for each in components.store.iterate_metadata():
        difference = abs(each.timestamp_us - at(seconds))
        if each.camera_id == camera_id and difference < tau_seconds * 1e6:
            near.append((difference, each.detection_id))
    return [detection_id for _, detection_id in sorted(near)]


@pytest.mark.parametrize("parameters", [LiftingParameters(60, 40, 5, 0.2), LiftingParameters(100, 100, 100, 0.1)])
@pytest.mark.parametrize(
    "candidates", [CandidateFilter(), CandidateFilter(frozenset({"c0", "c2"}), time_from_us=at(50), time_to_us=at(200))]
)
async def test_lifting_the_answers_of_appearance_searches_by_hand_gives_the_services_scores(
    crowd: Components, parameters: LiftingParameters, candidates: CandidateFilter
) -> None:
    image = crop_file(QUERY_SEED)
    query = search_for(
        image, None, "c0", 120, lifting=parameters, candidates=candidates, include_pivots=True, temporal_lifting="on"
    )
    result = await search_gallery(crowd, query)
    expected_nearby = nearby_by_hand(crowd, "c0", 120, parameters.tau_seconds)
    assert len(expected_nearby) > 5
    assert list(result.lifting.nearby) == expected_nearby
    assert (result.lifting.applied, result.lifting.reason, result.lifting.nearby_truncated) == (True, None, False)
    appearance = await appearance_of(crowd, image=image, candidates=candidates)
    # The searches by hand have all candidates: what the filter leaves out is no gallery for them either.
    scores, pivots = await lift_by_hand(crowd, appearance, expected_nearby, parameters)
    assert by_id(result).keys() == scores.keys()
    for key, match in by_id(result).items():
        assert match.appearance_score == pytest.approx(appearance[key], abs=1e-6)
        assert match.score == pytest.approx(scores[key], abs=1e-6)
        assert match.temporal_score == pytest.approx(scores[key] / appearance[key] - parameters.alpha, abs=1e-5)
    assert {(each.retrieved_by, each.detection_id) for each in result.lifting.pivots} == set(pivots)
    assert len(result.lifting.pivots) == len(pivots)
    check_order(result)


async def test_a_stored_query_is_lifted_in_the_same_way_and_is_nobody_near_itself(crowd: Components) -> None:
    metadata = crowd.store.get_metadata("d09")
    assert metadata is not None
    seconds = (metadata.timestamp_us - at(0)) / 1e6
    parameters = LiftingParameters(80, 50, 6, 0.1)
    result = await search_gallery(crowd, search_for(None, "d09", lifting=parameters, include_pivots=True))
    expected_nearby = nearby_by_hand(crowd, metadata.camera_id, seconds, 80)
    assert expected_nearby[0] == "d09"
    assert list(result.lifting.nearby) == expected_nearby[1:]
    assert "d09" not in by_id(result)
    assert result.num_candidates == COUNT - 1
    scores, pivots = await lift_by_hand(
        crowd, await appearance_of(crowd, detection_id="d09"), expected_nearby[1:], parameters
    )
    for key, match in by_id(result).items():
        assert match.score == pytest.approx(scores[key], abs=1e-6)
    assert {(each.retrieved_by, each.detection_id) for each in result.lifting.pivots} == set(pivots)
    for pivot in result.lifting.pivots:
        about = crowd.store.get_metadata(pivot.detection_id)
        assert about is not None
        assert (pivot.camera_id, pivot.timestamp_us) == (about.camera_id, about.timestamp_us)
        assert 0 <= pivot.appearance_score <= 1


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
    ("changes", "reason"),
    [
        ({"temporal_lifting": "off", "camera_id": "c1", "seconds": 1}, "off"),
        ({"camera_id": "c1"}, "no_camera_or_time"),
        ({"seconds": 3}, "no_camera_or_time"),
        ({}, "no_camera_or_time"),
    ],
)
async def test_without_lifting_the_score_is_the_appearance_score(
    crowd: Components, changes: dict[str, object], reason: str
) -> None:
    result = await search_gallery(crowd, search_for(crop_file(QUERY_SEED), include_pivots=True, **changes))
    assert (result.lifting.applied, result.lifting.reason) == (False, reason)
    assert (result.lifting.nearby, result.lifting.pivots) == ((), ())
    assert all(match.score == match.appearance_score and match.temporal_score is None for match in result.matches)
    assert len(result.matches) == COUNT
    check_order(result)


async def test_lifting_that_is_demanded_needs_camera_and_time(crowd: Components) -> None:
    for changes in ({}, {"camera_id": "c1"}, {"seconds": 1}):
        with pytest.raises(InvalidField, match="needs camera_id and timestamp"):
            await search_gallery(crowd, search_for(crop_file(1), temporal_lifting="on", **changes))


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


async def test_at_most_max_nearby_are_used_and_the_answer_says_so(crowd: Components) -> None:
    query = search_for(crop_file(QUERY_SEED), None, "c0", 120, lifting=LiftingParameters(60))
    near = nearby_by_hand(crowd, "c0", 120, 60)
    for most, is_truncated in ((3, True), (len(near) - 1, True), (len(near), False)):
        few = replace(crowd, settings=crowd.settings.model_copy(update={"max_nearby": most}))
        lifting = (await search_gallery(few, query)).lifting
        assert (list(lifting.nearby), lifting.nearby_truncated) == (near[:most], is_truncated)
    stored = nearby_by_hand(crowd, "c0", 120, 1000)
    for most, is_truncated in ((2, True), (len(stored) - 1, False)):
        few = replace(crowd, settings=crowd.settings.model_copy(update={"max_nearby": most}))
        query = search_for(None, "d00", lifting=LiftingParameters(1000))
        lifting = (await search_gallery(few, query)).lifting
        assert (len(lifting.nearby), lifting.nearby_truncated) == (most, is_truncated)
        assert "d00" not in lifting.nearby


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


async def test_a_posted_crop_that_is_stored_counts_once_among_those_nearby(components: Components) -> None:
    for number, detection_id in enumerate(("itself", "other", "later")):
        await ingest(components, detection_id, number, seconds=10 if detection_id == "later" else 0)
    result = await search_gallery(components, search_for(crop_file(0), camera_id="c1", seconds=0))
    assert result.lifting.nearby == ("other", "later")
    assert "itself" in ids(result)
    stored = await search_gallery(components, search_for(detection_id="itself"))
    assert stored.lifting.nearby == ("other", "later")

"""Temporal lifting in a search: who is nearby, the pivots, and the scores, which slow loops give too."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from model.temporal_lifting import LiftingParameters
from reference.temporal_lifting import Seen, lift
from service.components import Components
from service.errors import InvalidField
from service.records import CandidateFilter
from service.search.search_gallery import search_gallery
from tests.service.drawn_crops import crop_file
from tests.service.search.crowd import COUNT, QUERY_SEED, appearance_of, by_id, check_order, crowd, ids, nearby_by_hand
from tests.service.stored_crops import at, ingest, search_for

__all__ = ["crowd"]  # a fixture

pytestmark = pytest.mark.anyio


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


async def test_a_posted_crop_that_is_stored_counts_once_among_those_nearby(components: Components) -> None:
    for number, detection_id in enumerate(("itself", "other", "later")):
        await ingest(components, detection_id, number, seconds=10 if detection_id == "later" else 0)
    result = await search_gallery(components, search_for(crop_file(0), camera_id="c1", seconds=0))
    assert result.lifting.nearby == ("other", "later")
    assert "itself" in ids(result)
    stored = await search_gallery(components, search_for(detection_id="itself"))
    assert stored.lifting.nearby == ("other", "later")

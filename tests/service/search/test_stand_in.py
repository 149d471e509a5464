"""Lifting without camera or time: whose stand in, and that the search is then the one that names them."""

from dataclasses import replace

import pytest

from service.components import Components
from service.records import CandidateFilter
from service.search.search_gallery import search_gallery
from service.search.search_records import QuerySeen, SearchResult
from service.search.stand_in import narrow
from tests.service.drawn_crops import crop_file
from tests.service.search.crowd import QUERY_SEED, crowd, ids
from tests.service.stored_crops import at, search_for

__all__ = ["crowd"]  # a fixture


def check_same(result: SearchResult, named: SearchResult, stand_in: str | None) -> None:
    """The answer is that of a search which names camera and time, but for who stood in."""
    assert (result.lifting.stand_in, named.lifting.stand_in) == (stand_in, None)
    assert result.lifting.applied
    assert replace(result.lifting, stand_in=None) == named.lifting
    assert (result.query, result.matches) == (named.query, named.matches)


@pytest.mark.anyio
@pytest.mark.parametrize("candidates", [CandidateFilter(), CandidateFilter(exclude_camera_ids=frozenset({"c0"}))])
async def test_the_best_appearance_match_stands_in(crowd: Components, candidates: CandidateFilter) -> None:
    query = search_for(crop_file(QUERY_SEED), candidates=candidates, include_pivots=True)
    best = (await search_gallery(crowd, query)).matches[0].metadata
    result = await search_gallery(crowd, replace(query, temporal_lifting="bootstrap"))
    named = replace(query, camera_id=best.camera_id, timestamp_us=best.timestamp_us)
    check_same(result, await search_gallery(crowd, named), best.detection_id)
    # Another picture of the same moment is one of those nearby.
    assert result.lifting.nearby[0] == best.detection_id


@pytest.mark.anyio
async def test_a_query_that_is_stored_stands_in_for_itself_and_counts_once(crowd: Components) -> None:
    result = await search_gallery(crowd, search_for(crop_file(7), temporal_lifting="bootstrap"))
    assert (result.lifting.stand_in, result.query.camera_id) == ("d07", "c1")
    assert "d07" in ids(result)
    assert result.lifting.nearby
    assert "d07" not in result.lifting.nearby


@pytest.mark.anyio
async def test_where_camera_and_time_are_known_nobody_stands_in(crowd: Components) -> None:
    for query in (search_for(crop_file(1), None, "c2", 100), search_for(detection_id="d05")):
        named = await search_gallery(crowd, query)
        check_same(await search_gallery(crowd, replace(query, temporal_lifting="bootstrap")), named, None)


@pytest.mark.anyio
async def test_without_candidates_nothing_is_lifted(crowd: Components) -> None:
    closed = CandidateFilter(camera_ids=frozenset({"closed"}))
    result = await search_gallery(crowd, search_for(crop_file(1), temporal_lifting="bootstrap", candidates=closed))
    assert (result.lifting.applied, result.lifting.reason) == (False, "no_camera_or_time")
    assert (result.lifting.stand_in, result.query.camera_id, result.matches) == (None, None, ())


@pytest.mark.parametrize(
    ("camera_id", "seconds", "expected"),
    [
        (None, None, CandidateFilter()),
        ("c0", None, CandidateFilter(camera_ids=frozenset({"c0"}))),
        (None, 40, CandidateFilter(time_from_us=at(10) + 1, time_to_us=at(70))),
        ("c2", 40, CandidateFilter(frozenset({"c2"}), time_from_us=at(10) + 1, time_to_us=at(70))),
    ],
)
def test_what_is_known_is_what_the_stand_in_agrees_with(
    camera_id: str | None, seconds: float | None, expected: CandidateFilter
) -> None:
    """Both ends of ±30 seconds are too far away, as for who is nearby."""
    seen = QuerySeen(None, camera_id, None if seconds is None else at(seconds), 40, 80)
    assert narrow(CandidateFilter(), seen, 30) == expected


def test_a_stand_in_is_one_of_the_candidates() -> None:
    wanted = CandidateFilter(frozenset({"c0", "c1"}), frozenset({"c1"}), time_from_us=at(20), time_to_us=at(60))
    of_c0 = CandidateFilter(frozenset({"c0"}), frozenset({"c1"}), time_from_us=at(20), time_to_us=at(60))
    assert narrow(wanted, QuerySeen(None, "c0", at(40), 40, 80), 30) == of_c0
    later = replace(of_c0, time_from_us=at(40) + 1)
    assert narrow(wanted, QuerySeen(None, "c0", at(70), 40, 80), 30) == later
    for camera_id in ("c1", "c2"):
        assert narrow(wanted, QuerySeen(None, camera_id, None, 40, 80), 30) is None

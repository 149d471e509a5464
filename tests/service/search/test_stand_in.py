"""Lifting without camera or time: whose stand in, and that the search is then the one that names them."""

from dataclasses import replace

import numpy as np
import pytest

from service.components import Components
from service.gallery.candidate_scoring import ScoredCandidates
from service.records import CandidateFilter
from service.search.search_gallery import search_gallery
from service.search.search_records import QuerySeen, SearchResult
from service.search.stand_in import best_stand_in
from tests.service.drawn_crops import crop_file
from tests.service.gallery.test_candidate_lifting import draw_scored
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


def five_scored() -> ScoredCandidates:
    """The best match is in camera c5 at second 0, the best of c0 at second 30, the best of c2 at second 70."""
    scored = draw_scored(1, 5, seed=1)
    scored.appearance_scores[:] = 0.5, 0.9, 0.7, 0.7, 0.8
    scored.cameras[:] = 0, 5, 0, 0, 2
    scored.timestamps_us[:] = [at(seconds) for seconds in (10, 0, 30, 40, 70)]
    ids = np.array(["a", "b", "d", "c", "e"], dtype=object)
    return replace(scored, detection_ids=ids)


@pytest.mark.parametrize(
    ("camera_id", "seconds", "expected"),
    [
        (None, None, 1),
        ("c0", None, 3),  # of two equal ones that of the lower ID
        ("c2", None, 4),
        ("c1", None, None),
        ("unheard of", None, None),
        (None, 30, 1),
        (None, 45, 4),
        (None, 40, 3),  # both ends of ±30 seconds are too far away
        (None, 300, None),
    ],
)
def test_what_is_known_is_what_the_stand_in_agrees_with(
    camera_id: str | None, seconds: float | None, expected: int | None
) -> None:
    seen = QuerySeen(None, camera_id, None if seconds is None else at(seconds), 40, 80)
    tau_seconds = 30 if seconds == 40 else 31
    assert best_stand_in(five_scored(), seen, tau_seconds) == expected

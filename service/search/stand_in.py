"""Lifting a query of which nobody knows where or when it was seen: its best appearance match stands in."""

from dataclasses import replace

from service.components import Components
from service.errors import Unavailable
from service.gallery.candidate_scoring import ScoringJob
from service.inference.feature_extraction import FeatureMap
from service.records import MICROSECONDS_PER_SECOND, CandidateFilter
from service.search.search_records import QuerySeen, SearchQuery


async def find_stand_in(
    components: Components, query: SearchQuery, seen: QuerySeen, feature_map: FeatureMap
) -> tuple[QuerySeen, str | None]:
    """Completes camera and time of a query by those of its best appearance match.

    What is known stays: with a camera alone the best match of that camera stands in, with a time alone the best that
    is closer to it than τ. The stored picture of a query that is posted is as good a stand-in as any, for there and
    then the query was seen.

    Returns:
        The query with camera and time, and whose they are. Unchanged, and None, where both are known or no candidate
        stands in.

    Raises:
        QueueFull, Unavailable: try again.
    """
    if seen.camera_id is not None and seen.timestamp_us is not None:
        return seen, None
    wanted = narrow(query.candidates, seen, query.lifting.tau_seconds)
    if wanted is None:
        return seen, None
    job = ScoringJob(feature_map, (), wanted, seen.detection_id, count=1)
    scored = await components.worker.run(components.operations.score, job)
    if not scored.best:
        return seen, None
    (best,) = scored.best
    timestamp_us = best.timestamp_us if seen.timestamp_us is None else seen.timestamp_us
    return replace(seen, camera_id=best.camera_id, timestamp_us=timestamp_us), best.detection_id


async def require_still_there(components: Components, stand_in: str) -> None:
    """Before a search is answered, as its matches are looked up again: who was erased on the way is not named.

    Raises:
        Unavailable: the stand-in is gone: try again, and another one stands in.
    """
    (about,) = await components.index.get([stand_in])
    if about is None:
        raise Unavailable("the detection that stood in for the query was erased during the search: search again")


def narrow(candidates: CandidateFilter, seen: QuerySeen, tau_seconds: float) -> CandidateFilter | None:
    """Those candidates that were seen where and when the query was, as far as that is known; None for nobody."""
    if seen.camera_id is not None:
        if not candidates.admits_camera(seen.camera_id):
            return None
        candidates = replace(candidates, camera_ids=frozenset({seen.camera_id}))
    if seen.timestamp_us is not None:
        # As who is nearby is found: closer than τ, in microseconds.
        tau_us = round(tau_seconds * MICROSECONDS_PER_SECOND)
        first, end = seen.timestamp_us - tau_us + 1, seen.timestamp_us + tau_us
        time_from_us = first if candidates.time_from_us is None else max(first, candidates.time_from_us)
        time_to_us = end if candidates.time_to_us is None else min(end, candidates.time_to_us)
        candidates = replace(candidates, time_from_us=time_from_us, time_to_us=time_to_us)
    return candidates

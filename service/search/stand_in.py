"""Lifting a query of which nobody knows where or when it was seen: its best appearance match stands in."""

import asyncio
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from service.components import Components
from service.errors import Unavailable
from service.gallery.candidate_scoring import ScoredCandidates, ScoringJob
from service.inference.feature_extraction import FeatureMap
from service.records import MICROSECONDS_PER_SECOND
from service.search.best_matches import best_candidates
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
    job = ScoringJob(feature_map, (), query.candidates, seen.detection_id)
    scored = await components.worker.run(components.operations.score, job)
    place = await asyncio.to_thread(best_stand_in, scored, seen, query.lifting.tau_seconds)
    if place is None:
        return seen, None
    camera_id = scored.camera_ids[scored.cameras[place]]
    timestamp_us = int(scored.timestamps_us[place]) if seen.timestamp_us is None else seen.timestamp_us
    return replace(seen, camera_id=camera_id, timestamp_us=timestamp_us), str(scored.detection_ids[place])


async def require_still_there(components: Components, stand_in: str) -> None:
    """Before a search is answered, as its matches are looked up again: who was erased on the way is not named.

    Raises:
        Unavailable: the stand-in is gone: try again, and another one stands in.
    """
    (about,) = await components.index.get([stand_in])
    if about is None:
        raise Unavailable("the detection that stood in for the query was erased during the search: search again")


def best_stand_in(scored: ScoredCandidates, seen: QuerySeen, tau_seconds: float) -> int | None:
    """The place of the best candidate that was seen where and when the query was, as far as that is known."""
    places = np.flatnonzero(_is_fitting(scored, seen, tau_seconds))
    best = best_candidates(scored.appearance_scores[places], scored.detection_ids[places], 1)
    return int(places[best[0]]) if best else None


def _is_fitting(scored: ScoredCandidates, seen: QuerySeen, tau_seconds: float) -> npt.NDArray[np.bool_]:
    is_fitting = np.ones(len(scored.cameras), dtype=bool)
    if seen.camera_id is not None:
        camera = scored.camera_ids.index(seen.camera_id) if seen.camera_id in scored.camera_ids else -1
        is_fitting &= scored.cameras == camera
    if seen.timestamp_us is not None:
        # As who is nearby is found: closer than τ, in microseconds.
        tau_us = round(tau_seconds * MICROSECONDS_PER_SECOND)
        is_fitting &= np.abs(scored.timestamps_us - seen.timestamp_us) < tau_us
    return is_fitting

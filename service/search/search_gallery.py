"""Search, the whole way of a query crop: decode → feature map → nearby persons → scores, temporal ones too → re-ranking
→ best matches → correspondences → metadata.
"""

import asyncio
from collections.abc import Sequence

from model.correspondences import Correspondence, list_correspondences
from service.components import Components
from service.damaged_detections import read_sound
from service.errors import InvalidField
from service.gallery.best_matches import first_of_groups, group_labels
from service.gallery.candidate_scoring import ScoringJob
from service.gallery.scored_candidates import ScoredCandidate, ScoredCandidates
from service.inference.feature_extraction import FeatureMap
from service.inference.image_decoding import find_warnings
from service.inference.matching import MatchedPair, MatchingJob
from service.observability.stage_timing import StageTiming, search_stages
from service.read_detections import read_comparable_feature_map, read_metadata
from service.records import DetectionMetadata, RequestWarning
from service.search.nearby_persons import NearbyPersons, find_nearby
from service.search.rerank_candidates import RERANKED_CANDIDATES, rerank_candidates
from service.search.search_records import (
    LiftingReport,
    Match,
    QuerySeen,
    SearchQuery,
    SearchResult,
)
from service.search.stand_in import find_stand_in, require_still_there

_CAMERAS_NAMED = 20


async def search_gallery(components: Components, query: SearchQuery) -> SearchResult:
    """Finds the detections that look most like the query, lifted by who was near it in time.

    Raises:
        DetectionNotFound, OtherModel: the stored query.
        UnreadableImage, UnsupportedImage, LimitExceeded, InvalidField: the query's image or a field.
        QueueFull, Unavailable: try again.
    """
    timing = StageTiming(search_stages(components.metrics))
    seen, feature_map = await _see_query(components, query, timing)
    stand_in = None
    if query.temporal_lifting == "bootstrap":
        with timing.stage("score"):
            seen, stand_in = await find_stand_in(components, query, seen, feature_map)
    reason = _why_not_lifted(query, seen)
    nearby = NearbyPersons() if reason else await find_nearby(components, query, seen, feature_map)
    job = ScoringJob(
        query_map=feature_map,
        nearby_ids=nearby.detection_ids,
        wanted=query.candidates,
        excluded_id=seen.detection_id,
        count=RERANKED_CANDIDATES if query.rerank else query.limit,
        group_by="detection" if query.rerank else query.group_by,
        lifting=query.lifting if reason is None else None,
        is_ranked_by_appearance=query.rerank,
        includes_pivots=query.include_pivots,
    )
    with timing.stage("score") as score_stage:
        scored = await components.worker.run(components.operations.score, job)
        if scored.lifting_seconds is not None:
            score_stage.move("lift", scored.lifting_seconds)
        best = await _rank(components, query, feature_map, scored)
    if scored.unreadable_ids:  # Damaged ones are set aside.
        await read_sound(components, components.store.get_feature_map, scored.unreadable_ids)
    if stand_in is not None:
        await require_still_there(components, stand_in)
    with timing.stage("locate"):
        matches = await _describe_matches(components, query, feature_map, best)
    _count(components, reason)
    return SearchResult(
        query=seen,
        gallery_size=scored.gallery_size,
        num_candidates=scored.num_candidates,
        lifting=_report_lifting(query, scored, reason=reason, is_truncated=nearby.is_truncated, stand_in=stand_in),
        matches=matches,
        timing_ms=timing.finish(),
        warnings=(*find_warnings(seen.image_width, seen.image_height), *await _find_unknown_cameras(components, query)),
    )


async def _find_unknown_cameras(components: Components, query: SearchQuery) -> tuple[RequestWarning, ...]:
    """A warning where the filter names cameras that have no detections, which is mostly a slip of the pen."""
    named = query.candidates.camera_ids | query.candidates.exclude_camera_ids
    if not named:
        return ()
    there = [each.camera_id for each in await components.index.camera_summary() if query.cameras.admits(each.camera_id)]
    unknown = sorted(named.difference(there) - (query.cameras.camera_ids or frozenset()))
    if not unknown:
        return ()
    detail = (
        f"the filter names cameras without detections: {', '.join(unknown[:_CAMERAS_NAMED])}. Those with some: "
        f"{', '.join(there[:_CAMERAS_NAMED]) or 'none'}"
        + (f" and {len(there) - _CAMERAS_NAMED} more" if len(there) > _CAMERAS_NAMED else "")
    )
    return (RequestWarning("unknown_camera", detail),)


def _count(components: Components, reason: str | None) -> None:
    """Counts a search that is answered."""
    searches = components.metrics.counter(
        "qaconv_searches_total", "Searches answered, by whether lifting was applied, or why not.", ["lifting"]
    )
    searches.labels("applied" if reason is None else reason).inc()


async def _see_query(components: Components, query: SearchQuery, timing: StageTiming) -> tuple[QuerySeen, FeatureMap]:
    """Who the query is, and its feature map: of the crop that was sent, or of the stored detection."""
    if query.image is None:
        assert query.detection_id is not None
        metadata = await read_metadata(components, query.detection_id, query.cameras)
        feature_map = await read_comparable_feature_map(components, metadata)
        return _seen_before(query, metadata), feature_map
    with timing.stage("decode"):
        crop = await components.decoder.decode(query.image)
    with timing.stage("extract"):
        feature_map = await components.worker.run(components.operations.extract, crop.pixels)
    return QuerySeen(None, query.camera_id, query.timestamp_us, crop.width, crop.height), feature_map


def _seen_before(query: SearchQuery, metadata: DetectionMetadata) -> QuerySeen:
    return QuerySeen(
        detection_id=metadata.detection_id,
        camera_id=metadata.camera_id if query.camera_id is None else query.camera_id,
        timestamp_us=metadata.timestamp_us if query.timestamp_us is None else query.timestamp_us,
        image_width=metadata.image_width,
        image_height=metadata.image_height,
    )


def _why_not_lifted(query: SearchQuery, seen: QuerySeen) -> str | None:
    if query.temporal_lifting == "off":
        return "off"
    if seen.camera_id is not None and seen.timestamp_us is not None:
        return None
    if query.temporal_lifting == "on":
        raise InvalidField("temporal_lifting=on needs camera_id and timestamp, where and when the query was seen")
    return "no_camera_or_time"


async def _rank(
    components: Components, query: SearchQuery, feature_map: FeatureMap, scored: ScoredCandidates
) -> list[ScoredCandidate]:
    """The candidates that are answered, best first. Of re-ranked ones it is not known how they compare with others."""
    best: Sequence[ScoredCandidate] = scored.best
    if query.rerank:
        best = await rerank_candidates(components, feature_map, best, query.lifting.alpha)
        labels = group_labels(query.group_by, [each.track_id for each in best], [each.person_id for each in best])
        if labels is not None:
            best = [best[place] for place in first_of_groups(labels)]
    return [each for each in best[: query.limit] if query.min_score is None or each.score >= query.min_score]


async def _describe_matches(
    components: Components,
    query: SearchQuery,
    feature_map: FeatureMap,
    best: Sequence[ScoredCandidate],
) -> tuple[Match, ...]:
    """The best candidates with their metadata and correspondences.

    What was erased since it was scored is left out, and what has another camera, time, track or person by now: the
    candidate that was scored is no longer there.
    """
    detection_ids = [candidate.detection_id for candidate in best]
    # Matching takes longer, and begins in a thread: Redis is asked meanwhile.
    pairs, metadata = await asyncio.gather(
        _match_again(components, feature_map, detection_ids) if query.num_correspondences else _none(detection_ids),
        _read_last_from_redis(components, detection_ids),
    )
    found = [
        (candidate, about, pair)
        for candidate, about, pair in zip(best, metadata, pairs, strict=True)
        if about is not None and _is_as_scored(about, candidate) and (pair is not None or not query.num_correspondences)
    ]
    located = await asyncio.to_thread(_locate, components, query, [pair for _, _, pair in found])
    matches = [
        Match(
            rank=rank,
            metadata=about,
            score=candidate.score,
            appearance_score=candidate.appearance_score,
            reranked_score=candidate.reranked_score,
            temporal_score=candidate.temporal_score,
            correspondences=correspondences,
        )
        for rank, ((candidate, about, _), correspondences) in enumerate(zip(found, located, strict=True), start=1)
    ]
    return tuple(matches)


def _is_as_scored(about: DetectionMetadata, candidate: ScoredCandidate) -> bool:
    return (about.camera_id, about.timestamp_us, about.track_id, about.person_id) == (
        candidate.camera_id,
        candidate.timestamp_us,
        candidate.track_id,
        candidate.person_id,
    )


async def _match_again(
    components: Components, feature_map: FeatureMap, detection_ids: Sequence[str]
) -> list[MatchedPair | None]:
    """Where the query and each detection agree, in float32 from the maps on disk; None for what is gone."""
    stored = await read_sound(components, components.store.get_feature_map, detection_ids)
    there = [gallery_map for gallery_map in stored if gallery_map is not None]
    job = MatchingJob(feature_map, there)
    matched = await components.worker.run_accepted(components.operations.match, job)
    pairs = iter(matched)
    return [None if gallery_map is None else next(pairs) for gallery_map in stored]


async def _read_last_from_redis(components: Components, detection_ids: Sequence[str]) -> list[DetectionMetadata | None]:
    """Metadata; and then, after everything else that a search reads there, whether Redis is in step with the disk.

    Nearby persons and matches that an emptied Redis lacks would be missing without a word. It is asked while the device
    matches again.
    """
    metadata = await components.index.get(detection_ids)
    await components.index.require_in_step()
    return metadata


async def _none(detection_ids: Sequence[str]) -> list[MatchedPair | None]:
    return [None] * len(detection_ids)


def _locate(
    components: Components, query: SearchQuery, pairs: Sequence[MatchedPair | None]
) -> list[tuple[Correspondence, ...]]:
    config = components.checkpoint.config
    return [
        ()
        if pair is None
        else tuple(
            list_correspondences(
                pair.partners, config.map_width, config.kernel_size, query.num_correspondences, query.min_similarity
            )
        )
        for pair in pairs
    ]


def _report_lifting(
    query: SearchQuery,
    scored: ScoredCandidates,
    *,
    reason: str | None,
    is_truncated: bool,
    stand_in: str | None,
) -> LiftingReport:
    return LiftingReport(
        applied=scored.lifting_seconds is not None,
        reason=reason,
        parameters=query.lifting,
        nearby=scored.nearby_ids,
        nearby_truncated=is_truncated,
        pivots=scored.pivots,
        stand_in=stand_in,
    )

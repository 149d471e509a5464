"""Search, the whole way of a query crop: decode → feature map → nearby persons → scores, temporal ones too → re-ranking
→ best matches → correspondences → metadata.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from model.correspondences import Correspondence, list_correspondences
from service.components import Components
from service.damaged_detections import read_sound
from service.errors import InvalidField
from service.gallery.appearance_scores import lifted_scores
from service.gallery.best_matches import choose_best, group_labels
from service.gallery.candidate_scoring import ScoredCandidates, ScoringJob
from service.inference.feature_extraction import FeatureMap
from service.inference.matching import MatchedPair, MatchingJob
from service.observability.stage_timing import StageTiming, search_stages
from service.read_detections import read_comparable_feature_map, read_metadata
from service.records import DetectionMetadata
from service.search.nearby_persons import NearbyPersons, find_nearby
from service.search.rerank_candidates import RERANKED_CANDIDATES, RerankedCandidates, rerank_candidates
from service.search.search_records import (
    LiftingReport,
    Match,
    PivotReport,
    QuerySeen,
    SearchQuery,
    SearchResult,
)
from service.search.stand_in import find_stand_in, require_still_there


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Scores of all candidates, float64 [n], and the places of the best, best first."""

    scores: npt.NDArray[np.float64]
    reranked_scores: npt.NDArray[np.float64] | None
    temporal_scores: npt.NDArray[np.float64] | None
    best: list[int]


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
    )
    with timing.stage("score") as score_stage:
        scored = await components.worker.run(components.operations.score, job)
        if scored.lifted is not None:
            score_stage.move("lift", scored.lifted.seconds)
        reranked = await rerank_candidates(components, feature_map, scored) if query.rerank else None
    if scored.unreadable_ids:  # Damaged ones are set aside.
        await read_sound(components, components.store.get_feature_map, scored.unreadable_ids)
    ranking = await asyncio.to_thread(_rank, scored, reranked, query)
    if stand_in is not None:
        await require_still_there(components, stand_in)
    with timing.stage("locate"):
        matches = await _describe_matches(components, query, feature_map, scored, ranking)
    _count(components, reason)
    return SearchResult(
        query=seen,
        gallery_size=scored.gallery_size,
        num_candidates=len(scored.detection_ids),
        lifting=_report_lifting(query, scored, reason=reason, is_truncated=nearby.is_truncated, stand_in=stand_in),
        matches=matches,
        timing_ms=timing.finish(),
    )


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
        metadata = await read_metadata(components, query.detection_id)
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


def _rank(scored: ScoredCandidates, reranked: RerankedCandidates | None, query: SearchQuery) -> _Ranking:
    """Orders all candidates, or those that were re-ranked: how these compare with the others is not known.

    What is lifted is the query's p_a or what re-ranking made of it. Pivots are retrieved by appearance either way: the
    nearby persons' own candidates are not re-ranked.
    """
    reranked_scores = None if reranked is None else reranked.similarities
    scores = scored.appearance_scores if reranked_scores is None else reranked_scores
    temporal_scores = None if scored.lifted is None else scored.lifted.temporal_scores
    if temporal_scores is not None:
        scores = lifted_scores(scores, temporal_scores, query.lifting.alpha)
    places = np.arange(len(scores)) if reranked is None else reranked.places
    labels = group_labels(query.group_by, scored.track_ids[places], scored.person_ids[places])
    best = places[choose_best(scores[places], scored.detection_ids[places], labels, query.limit)].tolist()
    if scored.unreadable_ids:
        best = [place for place in best if scored.detection_ids[place] not in scored.unreadable_ids]
    if query.min_score is not None:
        best = [place for place in best if scores[place] >= query.min_score]
    return _Ranking(scores, reranked_scores, temporal_scores, best)


async def _describe_matches(
    components: Components,
    query: SearchQuery,
    feature_map: FeatureMap,
    scored: ScoredCandidates,
    ranking: _Ranking,
) -> tuple[Match, ...]:
    """The best candidates with their metadata and correspondences.

    What was erased since it was scored is left out, and what has another camera, time, track or person by now: the
    candidate that was scored is no longer there.
    """
    detection_ids = [str(scored.detection_ids[place]) for place in ranking.best]
    # Matching takes longer, and begins in a thread: Redis is asked meanwhile.
    pairs, metadata = await asyncio.gather(
        _match_again(components, feature_map, detection_ids) if query.num_correspondences else _none(detection_ids),
        _read_last_from_redis(components, detection_ids),
    )
    found = [
        (place, about, pair)
        for place, about, pair in zip(ranking.best, metadata, pairs, strict=True)
        if about is not None
        and _is_as_scored(about, scored, place)
        and (pair is not None or not query.num_correspondences)
    ]
    located = await asyncio.to_thread(_locate, components, query, [pair for _, _, pair in found])
    matches = [
        Match(
            rank=rank,
            metadata=about,
            score=float(ranking.scores[place]),
            appearance_score=float(scored.appearance_scores[place]),
            reranked_score=_score_at(ranking.reranked_scores, place),
            temporal_score=_score_at(ranking.temporal_scores, place),
            correspondences=correspondences,
        )
        for rank, ((place, about, _), correspondences) in enumerate(zip(found, located, strict=True), start=1)
    ]
    return tuple(matches)


def _score_at(scores: npt.NDArray[np.float64] | None, place: int) -> float | None:
    return None if scores is None else float(scores[place])


def _is_as_scored(about: DetectionMetadata, scored: ScoredCandidates, place: int) -> bool:
    return (about.camera_id, about.timestamp_us, about.track_id, about.person_id) == (
        scored.camera_ids[scored.cameras[place]],
        scored.timestamps_us[place],
        scored.track_ids[place],
        scored.person_ids[place],
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
    lifted = scored.lifted
    report = LiftingReport(
        applied=lifted is not None,
        reason=reason,
        parameters=query.lifting,
        nearby=scored.nearby_ids,
        nearby_truncated=is_truncated,
        pivots=(),
        stand_in=stand_in,
    )
    if lifted is None or not query.include_pivots:
        return report
    pivots = [
        PivotReport(
            camera_id=scored.camera_ids[pivot.camera],
            detection_id=str(scored.detection_ids[pivot.candidate]),
            timestamp_us=int(scored.timestamps_us[pivot.candidate]),
            retrieved_by=scored.nearby_ids[pivot.retrieved_by - 1] if pivot.retrieved_by else None,
            appearance_score=appearance_score,
        )
        for pivot, appearance_score in zip(lifted.pivots, lifted.pivot_appearance_scores, strict=True)
    ]
    return replace(report, pivots=tuple(pivots))

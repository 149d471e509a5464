"""Entries of the audit record, made of what was asked and what the flows answered."""

from service.audit.audit_events import (
    AuditedAnswer,
    AuditedFilter,
    AuditedImage,
    AuditedMatch,
    AuditedParameters,
    AuditedPlace,
    AuditedQuery,
    Compared,
    Searched,
    Source,
)
from service.records import DetectionFilter, DetectionMetadata
from service.rfc_3339 import format_moment
from service.search.compare_crops import Comparison
from service.search.search_records import SearchQuery, SearchResult


def describe_search(
    fingerprint: str,
    query: SearchQuery,
    digest: str | None,
    result: SearchResult | None,
    *,
    source: Source,
    problem: str | None,
) -> Searched:
    """The entry of a search; `digest` is the SHA-256 of the picture that was sent, `result` None where it failed."""
    return Searched(
        source=source,
        query=_describe_query(query, digest, result),
        parameters=_describe_parameters(query),
        model_fingerprint=fingerprint,
        answer=None if result is None else _describe_answer(result),
        problem=problem,
    )


def _describe_query(query: SearchQuery, digest: str | None, result: SearchResult | None) -> AuditedQuery:
    """Camera and time are those that were used; of a search that failed, those that were sent."""
    seen = None if result is None else result.query
    image = None
    if digest is not None:
        image = AuditedImage(digest, seen.image_width if seen else None, seen.image_height if seen else None)
    return AuditedQuery(
        detection_id=query.detection_id,
        image=image,
        camera_id=seen.camera_id if seen else query.camera_id,
        timestamp=_moment(seen.timestamp_us if seen else query.timestamp_us),
    )


def _describe_parameters(query: SearchQuery) -> AuditedParameters:
    return AuditedParameters(
        limit=query.limit,
        group_by=query.group_by,
        camera_ids=tuple(sorted(query.candidates.camera_ids)),
        exclude_camera_ids=tuple(sorted(query.candidates.exclude_camera_ids)),
        time_from=_moment(query.candidates.time_from_us),
        time_to=_moment(query.candidates.time_to_us),
        min_score=query.min_score,
        temporal_lifting=query.temporal_lifting,
        tau_seconds=query.lifting.tau_seconds,
        sigma_seconds=query.lifting.sigma_seconds,
        num_pivots=query.lifting.num_pivots,
        alpha=query.lifting.alpha,
        rerank=query.rerank,
        num_correspondences=query.num_correspondences,
        min_similarity=query.min_similarity,
        include_pivots=query.include_pivots,
    )


def _describe_answer(result: SearchResult) -> AuditedAnswer:
    return AuditedAnswer(
        gallery_size=result.gallery_size,
        candidates=result.num_candidates,
        lifting_applied=result.lifting.applied,
        nearby=result.lifting.nearby,
        stand_in=result.lifting.stand_in,
        pivots=len(result.lifting.pivots),
        matches=tuple(AuditedMatch(match.metadata.detection_id, match.score) for match in result.matches),
    )


def describe_comparison(
    fingerprint: str,
    digests: tuple[str, str],
    comparison: Comparison | None,
    *,
    source: Source,
    problem: str | None,
) -> Compared:
    """The entry of a comparison; `digests` are the SHA-256 of both pictures, `comparison` None where it failed."""
    query, gallery = digests
    sizes = (comparison.query_size, comparison.gallery_size) if comparison else ((None, None), (None, None))
    return Compared(
        source=source,
        query=AuditedImage(query, *sizes[0]),
        gallery=AuditedImage(gallery, *sizes[1]),
        model_fingerprint=fingerprint,
        appearance_score=comparison.appearance_score if comparison else None,
        problem=problem,
    )


def describe_filter(chosen: DetectionFilter) -> AuditedFilter:
    """The filter of an erasure or of a listing."""
    return AuditedFilter(
        detection_id=None,
        camera_id=chosen.camera_id,
        track_id=chosen.track_id,
        person_id=chosen.person_id,
        time_from=_moment(chosen.time_from_us),
        time_to=_moment(chosen.time_to_us),
    )


def describe_place(metadata: DetectionMetadata, image_sha256: str | None) -> AuditedPlace:
    """Where and when a detection was seen, and which picture it has."""
    return AuditedPlace(metadata.camera_id, format_moment(metadata.timestamp_us), image_sha256)


def _moment(microseconds: int | None) -> str | None:
    return None if microseconds is None else format_moment(microseconds)

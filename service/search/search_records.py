"""What a search is asked and what it answers."""

from dataclasses import dataclass
from typing import Literal

from model.correspondences import Correspondence
from model.temporal_lifting import LiftingParameters
from service.access.camera_limit import EVERY_CAMERA, CameraLimit
from service.gallery.best_matches import GroupBy
from service.gallery.scored_candidates import ScoredPivot
from service.observability.stage_timing import Timing
from service.records import CandidateFilter, DetectionMetadata, RequestWarning

TemporalLifting = Literal["auto", "on", "off", "bootstrap"]


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What is searched for, among which candidates, and what is to be answered.

    Attributes:
        image: an image file; or None, and `detection_id` is a stored detection.
        camera_id: where the query was seen; None takes the stored detection's.
        timestamp_us: when; likewise.
        limit: matches at most.
        min_score: matches with a lower final score are left out.
        rerank: whether the best candidates are re-ranked; then they alone are matches.
        cameras: whose stored detections may be the query; candidates are limited by their filter.
    """

    image: bytes | None
    detection_id: str | None
    camera_id: str | None
    timestamp_us: int | None
    limit: int
    group_by: GroupBy
    candidates: CandidateFilter
    min_score: float | None
    temporal_lifting: TemporalLifting
    lifting: LiftingParameters
    rerank: bool
    num_correspondences: int
    min_similarity: float
    include_pivots: bool
    cameras: CameraLimit = EVERY_CAMERA


@dataclass(frozen=True, slots=True)
class QuerySeen:
    """The query as the service understood it; camera and time may be a stand-in's, the size is the upright image's."""

    detection_id: str | None
    camera_id: str | None
    timestamp_us: int | None
    image_width: int
    image_height: int


@dataclass(frozen=True, slots=True)
class LiftingReport:
    """What temporal lifting did, or in a word why it did nothing.

    Attributes:
        stand_in: the match whose camera and time were taken for the query's; None where the query had its own.
    """

    applied: bool
    reason: str | None
    parameters: LiftingParameters
    nearby: tuple[str, ...]
    nearby_truncated: bool
    pivots: tuple[ScoredPivot, ...]
    stand_in: str | None


@dataclass(frozen=True, slots=True)
class Match:
    """A detection that was found; `reranked_score` is None without re-ranking, `temporal_score` without lifting."""

    rank: int
    metadata: DetectionMetadata
    score: float
    appearance_score: float
    reranked_score: float | None
    temporal_score: float | None
    correspondences: tuple[Correspondence, ...]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer to a query."""

    query: QuerySeen
    gallery_size: int
    num_candidates: int
    lifting: LiftingReport
    matches: tuple[Match, ...]
    timing_ms: Timing
    warnings: tuple[RequestWarning, ...] = ()

"""What a search answers, member by member."""

from pydantic import BaseModel, Field

from model.checkpoint import Checkpoint
from model.config import ModelConfig
from service.api.answers import MOMENT_FORMAT, FeatureMapSize, ImageSize, WarningAnswer, describe_warnings
from service.api.correspondence_answers import CorrespondenceAnswer, PixelGrid, describe_correspondences
from service.gallery.scored_candidates import ScoredPivot
from service.observability.stage_timing import Timing
from service.rfc_3339 import format_moment
from service.search.search_records import LiftingReport, Match, QuerySeen, SearchResult


class QueryAnswer(BaseModel):
    """The query, as the service understood it; with `bootstrap` camera and time are those that were used."""

    detection_id: str | None
    camera_id: str | None
    timestamp: str | None = Field(json_schema_extra=MOMENT_FORMAT)
    image: ImageSize


class SearchModelAnswer(BaseModel):
    """The model that the scores are of."""

    name: str
    fingerprint: str
    feature_map: FeatureMapSize


class SearchGalleryAnswer(BaseModel):
    """How many detections there are, and how many of them were candidates."""

    size: int
    candidates: int


class PivotAnswer(BaseModel):
    """One of the detections that temporal scores were computed from."""

    camera_id: str
    detection_id: str
    timestamp: str = Field(json_schema_extra=MOMENT_FORMAT)
    retrieved_by: str | None = Field(description="The nearby detection that retrieved it; null where the query did.")
    appearance_score: float


class LiftingAnswer(BaseModel):
    """Whether temporal lifting was applied, with which parameters and by whom."""

    applied: bool
    reason: str | None = Field(description="Why it was not applied: `off` or `no_camera_or_time`; null where it was.")
    stand_in: str | None = Field(
        description="With `bootstrap`, the candidate whose camera and time were taken for the query's, or that of them "
        "which was not known; null where both were, or without `bootstrap`."
    )
    tau_seconds: float
    sigma_seconds: float
    num_pivots: int
    alpha: float
    nearby: list[str] = Field(description="Detections of the query's camera less than τ from it.")
    nearby_truncated: bool = Field(description="Whether there were more; the closest in time were taken.")
    pivots: list[PivotAnswer] = Field(description="Empty unless include_pivots=true was sent.")


class MatchAnswer(BaseModel):
    """A detection that was found."""

    rank: int
    detection_id: str
    camera_id: str
    timestamp: str = Field(json_schema_extra=MOMENT_FORMAT)
    track_id: str | None
    person_id: str | None
    score: float = Field(description="p_a, or the re-ranked score; with temporal lifting times (p_t + α).")
    appearance_score: float = Field(description="p_a, in [0, 1].")
    reranked_score: float | None = Field(
        description="1 − d* of k-reciprocal encoding, in [0, 1]; null without re-ranking. It orders the candidates of "
        "one search and says nothing of a single one, for it depends on the others."
    )
    temporal_score: float | None = Field(description="p_t, in [0, 1]; null without temporal lifting.")
    correspondences: list[CorrespondenceAnswer]


class TimingAnswer(BaseModel):
    """Milliseconds that the parts of a search took, waiting included."""

    decode: float
    extract: float
    score: float = Field(description="Looking for a stand-in and re-ranking too.")
    lift: float
    locate: float
    total: float


class SearchAnswer(BaseModel):
    """The matches of a query, best first, and how they were found."""

    query: QueryAnswer
    model: SearchModelAnswer
    gallery: SearchGalleryAnswer
    temporal_lifting: LiftingAnswer
    matches: list[MatchAnswer]
    warnings: list[WarningAnswer] = Field(description="Mostly empty.")
    timing_ms: TimingAnswer


def describe_search(result: SearchResult, checkpoint: Checkpoint, fingerprint: str) -> SearchAnswer:
    """The answer for a search."""
    config = checkpoint.config
    query_grid = PixelGrid.over(result.query.image_width, result.query.image_height, config)
    return SearchAnswer(
        query=_describe_query(result.query),
        model=SearchModelAnswer(name=checkpoint.name, fingerprint=fingerprint, feature_map=FeatureMapSize.of(config)),
        gallery=SearchGalleryAnswer(size=result.gallery_size, candidates=result.num_candidates),
        temporal_lifting=_describe_lifting(result.lifting),
        matches=[_describe_match(match, query_grid, config) for match in result.matches],
        warnings=describe_warnings(result.warnings),
        timing_ms=_describe_timing(result.timing_ms),
    )


def _describe_query(query: QuerySeen) -> QueryAnswer:
    return QueryAnswer(
        detection_id=query.detection_id,
        camera_id=query.camera_id,
        timestamp=None if query.timestamp_us is None else format_moment(query.timestamp_us),
        image=ImageSize(width=query.image_width, height=query.image_height),
    )


def _describe_lifting(lifting: LiftingReport) -> LiftingAnswer:
    return LiftingAnswer(
        applied=lifting.applied,
        reason=lifting.reason,
        stand_in=lifting.stand_in,
        tau_seconds=lifting.parameters.tau_seconds,
        sigma_seconds=lifting.parameters.sigma_seconds,
        num_pivots=lifting.parameters.num_pivots,
        alpha=lifting.parameters.alpha,
        nearby=list(lifting.nearby),
        nearby_truncated=lifting.nearby_truncated,
        pivots=[_describe_pivot(pivot) for pivot in lifting.pivots],
    )


def _describe_pivot(pivot: ScoredPivot) -> PivotAnswer:
    return PivotAnswer(
        camera_id=pivot.camera_id,
        detection_id=pivot.detection_id,
        timestamp=format_moment(pivot.timestamp_us),
        retrieved_by=pivot.retrieved_by,
        appearance_score=pivot.appearance_score,
    )


def _describe_match(match: Match, query_grid: PixelGrid, config: ModelConfig) -> MatchAnswer:
    metadata = match.metadata
    return MatchAnswer(
        rank=match.rank,
        detection_id=metadata.detection_id,
        camera_id=metadata.camera_id,
        timestamp=format_moment(metadata.timestamp_us),
        track_id=metadata.track_id,
        person_id=metadata.person_id,
        score=match.score,
        appearance_score=match.appearance_score,
        reranked_score=match.reranked_score,
        temporal_score=match.temporal_score,
        correspondences=describe_correspondences(
            match.correspondences,
            query_grid,
            PixelGrid.over(metadata.image_width, metadata.image_height, config),
        ),
    )


def _describe_timing(timing: Timing) -> TimingAnswer:
    return TimingAnswer(
        decode=round(timing.decode, 3),
        extract=round(timing.extract, 3),
        score=round(timing.score, 3),
        lift=round(timing.lift, 3),
        locate=round(timing.locate, 3),
        total=round(timing.total, 3),
    )

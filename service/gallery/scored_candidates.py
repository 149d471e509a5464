"""What comes back from the device of one search: the best of its candidates, and who retrieved the pivots."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScoredCandidate:
    """A detection as it was when scored.

    Attributes:
        score: what it is ranked by: p_a, or what lifting made of it, or re-ranking.
        appearance_score: p_a, in float64: in float32 the best would all be 1.
        temporal_score: p_t; None without lifting.
        reranked_score: 1 − d*; None without re-ranking.
    """

    detection_id: str
    camera_id: str
    timestamp_us: int
    track_id: str | None
    person_id: str | None
    score: float
    appearance_score: float
    temporal_score: float | None
    reranked_score: float | None = None


@dataclass(frozen=True, slots=True)
class ScoredPivot:
    """A candidate that is probably one of the persons who were near; None retrieved it where the query itself did."""

    camera_id: str
    detection_id: str
    timestamp_us: int
    retrieved_by: str | None
    appearance_score: float


@dataclass(frozen=True, slots=True)
class ScoredCandidates:
    """The candidates of one search.

    Attributes:
        best: as many as were asked for, the best first; equal scores by detection ID.
        pivots: by camera, the best of each first; empty where they were not asked for.
        lifting_seconds: that the device worked on temporal scores; None without lifting.
        nearby_ids: who was near; those erased in the meantime are not among them.
        unreadable_ids: of those whose maps on the disk could not be read for exact scores; they are not among the best.
        num_candidates: all of them.
        gallery_size: detections in the gallery, candidates or not.
    """

    best: tuple[ScoredCandidate, ...]
    pivots: tuple[ScoredPivot, ...]
    lifting_seconds: float | None
    nearby_ids: tuple[str, ...]
    unreadable_ids: tuple[str, ...]
    num_candidates: int
    gallery_size: int

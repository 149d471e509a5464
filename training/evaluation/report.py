"""What an evaluation found, as values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from model.reranking import RerankingParameters
from model.retrieval_metrics import RetrievalMetrics
from model.temporal_lifting import LiftingParameters
from training.evaluation.impostor_thresholds import ImpostorThresholds
from training.evaluation.score_distribution import ScoreHistogram, ScoreSpread


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """What is measured beside appearance and lifting, and how.

    Attributes:
        reranking: None to leave it out, which for a benchmark saves comparing the gallery with itself where lifting
            does not need it either.
        nearby_from: see `LiftingPlan`.
        shuffle_times_seed: lift a second time, with times shuffled within every camera; None not to.
        random_weights: rank by the untrained model too.
        score_by: `matching`, or `pooled_cosine` for a model that was trained to be compared by pooled features.
        device: that extracts and compares, as PyTorch calls it.
    """

    reranking: RerankingParameters | None = field(default_factory=RerankingParameters)
    nearby_from: Literal["gallery", "queries"] = "gallery"
    shuffle_times_seed: int | None = None
    random_weights: bool = False
    score_by: Literal["matching", "pooled_cosine"] = "matching"
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Figures:
    """Metrics of one gallery for each way of ranking it; None for what was not measured.

    Attributes:
        appearance: by the model's scores.
        lifted: appearance, lifted; None too where times mean nothing.
        reranked: appearance, re-ranked.
        reranked_lifted: re-ranked first, then lifted, as the authors do.
        lifted_shuffled, reranked_lifted_shuffled: the control, with times shuffled among the crops of each camera: what
            lifting gains by chance.
    """

    appearance: RetrievalMetrics
    color_histogram: RetrievalMetrics | None = None
    pooled_cosine: RetrievalMetrics | None = None
    random_weights: RetrievalMetrics | None = None
    reranked: RetrievalMetrics | None = None
    lifted: RetrievalMetrics | None = None
    reranked_lifted: RetrievalMetrics | None = None
    lifted_shuffled: RetrievalMetrics | None = None
    reranked_lifted_shuffled: RetrievalMetrics | None = None


@dataclass(frozen=True, slots=True)
class EvaluationDrawings:
    """What plots need beyond the figures: matching curves by ranking, of all cameras, and the histogram of scores."""

    matching_curves: Mapping[str, tuple[float, ...]]
    histogram: ScoreHistogram


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Figures of one model on one dataset.

    Attributes:
        dataset: what it is called.
        other_cameras: searching where else somebody was seen: the gallery is what the other cameras saw.
        all_cameras: the gallery is everything, also what the query's own camera saw of others: the protocol of the
            benchmarks. Harder, for the histogram above all: one camera makes all its pictures alike.
        spread: of p_a.
        impostor_thresholds: for choosing from which p_a on a match is believed.
        num_crops: queries and gallery.
        lifting: its parameters; None where nothing was lifted.
        settings: of the evaluation.
        drawings: not among the JSON values.
    """

    dataset: str
    other_cameras: Figures
    all_cameras: Figures
    spread: ScoreSpread
    impostor_thresholds: ImpostorThresholds
    num_crops: int
    lifting: LiftingParameters | None
    settings: EvaluationSettings
    drawings: EvaluationDrawings

    def to_json_values(self) -> dict[str, object]:
        """The figures as JSON values, for a checkpoint's provenance and for programs."""
        values = asdict(self)
        del values["drawings"]
        return values

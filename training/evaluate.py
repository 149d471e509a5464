"""How well a model finds people: by appearance, re-ranked, lifted in time, both, and beside the baselines."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from model.checkpoint import Checkpoint
from model.retrieval_metrics import QueryOutcomes, matching_curve, measure_queries, summarise
from model.temporal_lifting import LiftingParameters
from training.datasets.dataset import Dataset
from training.datasets.labelled_crop import LabelledCrop
from training.evaluation.baselines import baseline_scores, untrained_scores
from training.evaluation.crop_features import CropFeatures, extract_features
from training.evaluation.lifted_scores import LiftingPlan, lift_searches
from training.evaluation.pair_scores import PairScores, compare_pooled, match_pairs, rerank_pairs
from training.evaluation.progress import OnProgress
from training.evaluation.report import EvaluationDrawings, EvaluationReport, EvaluationSettings, Figures
from training.evaluation.score_distribution import score_distribution
from training.evaluation.searches import Searches, searches_of, shuffle_times

__all__ = ["EvaluationReport", "EvaluationSettings", "OnProgress", "evaluate"]

_CURVE_LENGTH = 50
_LIFTED = {"appearance": "lifted", "reranked": "reranked_lifted"}


def evaluate(
    model: Checkpoint,
    crops: Sequence[LabelledCrop] | Dataset,
    parameters: LiftingParameters | None,
    on_progress: OnProgress | None = None,
    settings: EvaluationSettings | None = None,
) -> EvaluationReport:
    """Search the queries of a benchmark among its gallery; of other crops, the first of every track among all.

    The query's own person in its own camera, and junk, are left out of the ranking (see `measure_queries`).

    Args:
        model: in inference mode.
        crops: a benchmark, or crops with people, cameras, times and tracks.
        parameters: of lifting; None not to lift. What has no times is not lifted.
        on_progress: told how far it is.
        settings: what else is measured, and how; None for the usual.

    Raises:
        OSError: a crop's file cannot be read.
        ValueError: nobody is seen by two cameras, everybody is the same person, or a crop is not an image.
    """
    settings = settings or EvaluationSettings()
    searches = searches_of(crops)
    plan = LiftingPlan(parameters, settings.nearby_from) if parameters and searches.seconds is not None else None
    features = extract_features(model, searches.crops, settings.device, on_progress)
    liftable = _score(model, features, _rows_to_score(searches, plan, settings), settings, on_progress)
    fixed = baseline_scores(features, searches)
    fixed |= {name: scores.of(searches.queries)[:, searches.gallery] for name, scores in liftable.items()}
    if settings.random_weights:
        fixed["random_weights"] = untrained_scores(model, searches, settings.device, on_progress)
    timed = _timed(searches, plan, settings)

    def measure(candidates: Tensor, where: str) -> dict[str, QueryOutcomes]:
        ranked = _rank(
            fixed=fixed,
            liftable=liftable,
            timed=timed,
            plan=plan,
            candidates=candidates,
            where=where,
            on_progress=on_progress,
        )
        labels = searches.query_labels, searches.gallery_labels
        return {name: measure_queries(scores, *labels, candidates) for name, scores in ranked}

    elsewhere = measure(searches.other_cameras(), "other cameras")
    everywhere = measure(searches.all_cameras(), "all cameras")
    distribution = score_distribution(liftable["appearance"], searches)
    return EvaluationReport(
        dataset=crops.name if isinstance(crops, Dataset) else "crops",
        other_cameras=_figures(elsewhere),
        all_cameras=_figures(everywhere),
        spread=distribution.spread,
        impostor_thresholds=distribution.impostors,
        num_crops=len(searches.crops),
        lifting=None if plan is None else plan.parameters,
        settings=settings,
        drawings=EvaluationDrawings(_curves(everywhere), distribution.histogram),
    )


def _rows_to_score(searches: Searches, plan: LiftingPlan | None, settings: EvaluationSettings) -> Tensor:
    """The crops that are compared with all others."""
    needs_gallery = settings.reranking is not None or (plan is not None and plan.nearby_from == "gallery")
    return torch.arange(len(searches.crops)) if needs_gallery else searches.queries.sort().values


def _score(
    model: Checkpoint,
    features: CropFeatures,
    rows: Tensor,
    settings: EvaluationSettings,
    on_progress: OnProgress | None,
) -> dict[str, PairScores]:
    """Appearance scores and, where wanted, re-ranked ones: what can be lifted."""
    if settings.score_by == "matching":
        appearance = match_pairs(model, features.maps, rows, settings.device, on_progress)
    else:
        appearance = compare_pooled(features.pooled, rows)
    if settings.reranking is None:
        return {"appearance": appearance}
    return {"appearance": appearance, "reranked": rerank_pairs(appearance, settings.reranking)}


def _timed(searches: Searches, plan: LiftingPlan | None, settings: EvaluationSettings) -> dict[str, Searches]:
    """The searches with the times by which they are lifted, by what is added to the ranking's name."""
    if plan is None:
        return {}
    if settings.shuffle_times_seed is None:
        return {"": searches}
    return {"": searches, "_shuffled": shuffle_times(searches, settings.shuffle_times_seed)}


def _rank(
    *,
    fixed: Mapping[str, Tensor],
    liftable: Mapping[str, PairScores],
    timed: Mapping[str, Searches],
    plan: LiftingPlan | None,
    candidates: Tensor,
    where: str,
    on_progress: OnProgress | None,
) -> Iterator[tuple[str, Tensor]]:
    """Scores [q, g] of every ranking by name, one after the other: those of a whole benchmark take half a GB each."""
    yield from fixed.items()
    for name, scores in liftable.items():
        for addition, searches in timed.items():
            assert plan is not None
            lifted = _LIFTED[name] + addition
            stage = f"{lifted.replace('_', ', ')}, {where}"
            yield lifted, lift_searches(scores, searches, candidates, plan, stage=stage, on_progress=on_progress)


def _figures(outcomes: Mapping[str, QueryOutcomes]) -> Figures:
    return Figures(**{name: summarise(found) for name, found in outcomes.items()})


def _curves(outcomes: Mapping[str, QueryOutcomes]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(matching_curve(found, _CURVE_LENGTH).tolist()) for name, found in outcomes.items()}

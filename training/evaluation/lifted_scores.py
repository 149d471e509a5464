"""Temporal lifting of all searches of an evaluation, each as the service lifts it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from model.temporal_lifting import Candidates, LiftingParameters, lift_scores
from training.evaluation.pair_scores import PairScores
from training.evaluation.progress import OnProgress, report_each
from training.evaluation.searches import Searches

# As the service does: at most so many nearby people besides the query, the closest in time.
_MAX_NEARBY = 64


@dataclass(frozen=True, slots=True)
class LiftingPlan:
    """How searches are lifted.

    Attributes:
        parameters: the paper's.
        nearby_from: whose crops of the query's camera, closer than τ, are the people near it. The service knows its
            gallery alone, and takes the 64 closest. The authors' code takes the other queries, all of them: a few crops
            of each person, chosen by the benchmark, whose scores are there already.
    """

    parameters: LiftingParameters
    nearby_from: Literal["gallery", "queries"] = "gallery"


def lift_searches(
    scores: PairScores,
    searches: Searches,
    candidates: Tensor,
    plan: LiftingPlan,
    *,
    stage: str = "lifting",
    on_progress: OnProgress | None = None,
) -> Tensor:
    """Lifted scores of all searches, float64 [q, g]; minus infinity for what is no candidate.

    Args:
        scores: of all that may be near a query, against all crops. Re-ranked ones are lifted as they are: the authors
            re-rank first.
        searches: with times.
        candidates: bool [q, g], for scores and pivots alike.
        plan: how.
        stage: what progress is called.
        on_progress: told of each search.
    """
    assert searches.seconds is not None
    # Equal scores are ordered by ID: in gallery order.
    ids = np.array([f"{number:08d}" for number in range(len(searches.gallery))], dtype=object)
    cameras, seconds = searches.gallery_labels.cameras, searches.seconds[searches.gallery]
    lifted = torch.full(candidates.shape, float("-inf"), dtype=torch.float64)
    for place in report_each(range(len(searches.queries)), stage, on_progress):
        searched = torch.cat((searches.queries[place : place + 1], find_nearby(place, searches, plan)))
        chosen = torch.nonzero(candidates[place]).flatten()
        values = scores.of(searched)[:, searches.gallery[chosen]]
        seen = Candidates(ids[chosen.numpy()], cameras[chosen], seconds[chosen])
        lifted[place, chosen] = lift_scores(scores.probabilities(values[0]), values, seen, plan.parameters).scores
    return lifted


def find_nearby(place: int, searches: Searches, plan: LiftingPlan) -> Tensor:
    """Crops of the camera of query number `place` that are closer to it than τ, the closest first, without itself."""
    assert searches.seconds is not None
    query = searches.queries[place]
    known = searches.gallery if plan.nearby_from == "gallery" else searches.queries
    distances = (searches.seconds[known] - searches.seconds[query]).abs()
    is_nearby = (searches.labels.cameras[known] == searches.labels.cameras[query]) & (known != query)
    is_nearby &= distances < plan.parameters.tau_seconds
    nearby = known[is_nearby][distances[is_nearby].argsort(stable=True)]
    return nearby[:_MAX_NEARBY] if plan.nearby_from == "gallery" else nearby

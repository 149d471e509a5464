"""How good a ranking is: cumulative matching characteristic, mean average precision and mean inverse negative penalty.

The single-query protocol of Market-1501 (Zheng et al., ICCV 2015): gallery crops of the query's own person in the
query's own camera, and crops marked as junk, count neither as right nor as wrong; queries without any right crop are
left out.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# The person of gallery crops that count neither as right nor as wrong, whoever is searched for. A distractor is any
# person of whom there is no query.
JUNK_PERSON = -1


@dataclass(frozen=True, slots=True)
class CropLabels:
    """Persons and cameras of n crops, int64 [n] each."""

    persons: Tensor
    cameras: Tensor


@dataclass(frozen=True, slots=True)
class QueryOutcomes:
    """What became of each of the q queries that have a right crop in the gallery.

    Attributes:
        first_ranks: int64 [q], the rank of the first right crop, from 0.
        average_precisions: float64 [q].
        inverse_negative_penalties: float64 [q].
    """

    first_ranks: Tensor
    average_precisions: Tensor
    inverse_negative_penalties: Tensor


@dataclass(frozen=True, slots=True)
class RetrievalMetrics:
    """Shares between 0 and 1, over `num_queries` queries that have a right crop in the gallery."""

    rank1: float
    rank5: float
    rank10: float
    rank20: float
    mean_average_precision: float
    mean_inverse_negative_penalty: float
    num_queries: int


def retrieval_metrics(
    scores: Tensor, queries: CropLabels, gallery: CropLabels, candidates: Tensor | None = None
) -> RetrievalMetrics:
    """Metrics of scores [q, g]; see `measure_queries`."""
    return summarise(measure_queries(scores, queries, gallery, candidates))


def measure_queries(
    scores: Tensor, queries: CropLabels, gallery: CropLabels, candidates: Tensor | None = None
) -> QueryOutcomes:
    """How each query fares with scores [q, g], larger is better; equal scores rank in gallery order.

    Args:
        scores: [q, g].
        queries: labels [q].
        gallery: labels [g]; of the person `JUNK_PERSON` counts neither way.
        candidates: bool [q, g], what each query searches; None for everything.

    Raises:
        ValueError: no query has a right crop in another camera, or a score is not a number.
    """
    if bool(torch.isnan(scores).any()):
        raise ValueError(f"{int(torch.isnan(scores).sum())} of {scores.numel()} scores are not numbers")
    ranked = []
    for query in range(len(scores)):
        is_person = gallery.persons == queries.persons[query]
        counts = ~(is_person & (gallery.cameras == queries.cameras[query])) & (gallery.persons != JUNK_PERSON)
        if candidates is not None:
            counts &= candidates[query]
        right = is_person[counts]
        if bool(right.any()):
            ranked.append(right[scores[query][counts].argsort(descending=True, stable=True)])
    if not ranked:
        raise ValueError(f"none of the {len(scores)} queries has its person in another camera of the gallery")
    return QueryOutcomes(
        first_ranks=torch.tensor([int(torch.nonzero(right)[0]) for right in ranked]),
        average_precisions=torch.tensor([average_precision(right) for right in ranked], dtype=torch.float64),
        inverse_negative_penalties=torch.tensor(
            [inverse_negative_penalty(right) for right in ranked], dtype=torch.float64
        ),
    )


def summarise(outcomes: QueryOutcomes) -> RetrievalMetrics:
    """The metrics of queries, of which there is at least one."""
    rank1, rank5, rank10, rank20 = (float((outcomes.first_ranks < limit).double().mean()) for limit in (1, 5, 10, 20))
    return RetrievalMetrics(
        rank1=rank1,
        rank5=rank5,
        rank10=rank10,
        rank20=rank20,
        mean_average_precision=float(outcomes.average_precisions.mean()),
        mean_inverse_negative_penalty=float(outcomes.inverse_negative_penalties.mean()),
        num_queries=len(outcomes.first_ranks),
    )


def matching_curve(outcomes: QueryOutcomes, length: int) -> Tensor:
    """The cumulative matching characteristic: the share of queries with a right crop within rank 1 to `length`."""
    return (outcomes.first_ranks[None, :] < torch.arange(1, length + 1)[:, None]).double().mean(dim=1)


def average_precision(is_right: Tensor) -> float:
    """Mean over the right crops of the precision at their rank; bool [g] in ranked order, at least one true.

    Market-1501's first evaluation code, and with it QAConv's authors', interpolates (the area under straight lines
    between those points), which gives other figures; today's literature does not.
    """
    hits = torch.nonzero(is_right).flatten().double()
    return float((torch.arange(1, len(hits) + 1) / (hits + 1)).mean())


def inverse_negative_penalty(is_right: Tensor) -> float:
    """How many crops are right of those down to the last right one; bool [g] in ranked order, at least one true.

    |G_i| / R_i of Ye et al., "Deep Learning for Person Re-identification" (TPAMI 2021), Eq. (17), whose mean over the
    queries is mINP: the work of somebody who wants to find every right crop.
    """
    hits = torch.nonzero(is_right).flatten()
    return len(hits) / (int(hits[-1]) + 1)

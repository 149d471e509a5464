"""How good a ranking is: cumulative matching characteristic and mean average precision, single query.

The convention of Market-1501 (Zheng et al., ICCV 2015): gallery crops of the query's own person in the query's own
camera count neither as right nor as wrong, and queries without any right crop are left out.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class CropLabels:
    """Persons and cameras of n crops, int64 [n] each."""

    persons: Tensor
    cameras: Tensor


@dataclass(frozen=True, slots=True)
class RetrievalMetrics:
    """Shares between 0 and 1, over `num_queries` queries that have a right crop in the gallery."""

    rank1: float
    rank5: float
    rank10: float
    mean_average_precision: float
    num_queries: int


def retrieval_metrics(scores: Tensor, queries: CropLabels, gallery: CropLabels) -> RetrievalMetrics:
    """Metrics of scores [q, g], larger is better; equal scores rank in gallery order.

    Raises:
        ValueError: no query has a right crop in another camera.
    """
    first_ranks, precisions = [], []
    for query in range(len(scores)):
        is_person = gallery.persons == queries.persons[query]
        is_junk = is_person & (gallery.cameras == queries.cameras[query])
        right = is_person[~is_junk]
        if not bool(right.any()):
            continue
        order = scores[query][~is_junk].argsort(descending=True, stable=True)
        first_ranks.append(_first_rank(right[order]))
        precisions.append(average_precision(right[order]))
    if not first_ranks:
        raise ValueError(f"none of the {len(scores)} queries has its person in another camera of the gallery")
    ranks = torch.tensor(first_ranks)
    rank1, rank5, rank10 = (float((ranks < limit).double().mean()) for limit in (1, 5, 10))
    return RetrievalMetrics(rank1, rank5, rank10, sum(precisions) / len(precisions), len(first_ranks))


def average_precision(is_right: Tensor) -> float:
    """Mean over the right crops of the precision at their rank; bool [g] in ranked order, at least one true."""
    hits = torch.nonzero(is_right).flatten().double()
    return float((torch.arange(1, len(hits) + 1) / (hits + 1)).mean())


def _first_rank(is_right: Tensor) -> int:
    return int(torch.nonzero(is_right)[0])

"""Re-ranking of a search's best candidates by k-reciprocal encoding: who looks like the query and is found by it, and
the other way round (Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017).
"""

import asyncio
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.reranking import RerankingParameters, encode_neighbours, rerank_rows
from service.components import Components
from service.gallery.best_matches import best_candidates
from service.gallery.candidate_scoring import ScoredCandidates
from service.gallery.mutual_scoring import MutualScoringJob
from service.inference.feature_extraction import FeatureMap

# Everybody is compared with everybody: 201² comparisons are as many as a query has with a gallery of 40,000.
RERANKED_CANDIDATES = 200


@dataclass(frozen=True, slots=True)
class RerankedCandidates:
    """The best candidates, those with the highest appearance scores, re-ranked.

    Attributes:
        places: int64 [m], where they stand among the candidates.
        similarities: float64 [n], 1 − d* in [0, 1] of these, 0 of all others.
    """

    places: npt.NDArray[np.int64]
    similarities: npt.NDArray[np.float64]


async def rerank_candidates(
    components: Components, feature_map: FeatureMap, scored: ScoredCandidates
) -> RerankedCandidates:
    """Re-ranks the best 200 candidates; who was erased since they were scored is left out.

    With the paper's k1, k2 and λ; the other candidates count for nothing, neither as neighbours nor for the scale.

    Raises:
        Unavailable: try again.
    """
    best = await asyncio.to_thread(best_candidates, scored.appearance_scores, scored.detection_ids, RERANKED_CANDIDATES)
    job = MutualScoringJob(feature_map, tuple(scored.detection_ids[best]))
    mutual = await components.worker.run_accepted(components.operations.score_mutually, job)
    there = frozenset(mutual.detection_ids)
    places = np.array([place for place in best if scored.detection_ids[place] in there], dtype=np.int64)
    similarities = np.zeros(len(scored.detection_ids))
    similarities[places] = await asyncio.to_thread(rerank_first, mutual.logits)
    return RerankedCandidates(places, similarities)


def rerank_first(logits: Tensor) -> npt.NDArray[np.float64]:
    """Re-ranked similarities 1 − d* of the first with all others, float64 [n − 1], in [0, 1].

    The distance of two crops is 1 − p_a of the mean of both directions' logits, as in the evaluation of a model: the
    head may score (A, B) and (B, A) a little differently.

    Args:
        logits: float32 [n, n], these means. What is said of a crop and itself is not used.
    """
    # 1 − p_a, exact where p_a is nearly 1.
    distances = (-logits.double()).sigmoid().fill_diagonal_(0)
    parameters = RerankingParameters()
    encoding = encode_neighbours(distances, parameters)
    reranked = rerank_rows(distances[:1], torch.tensor([0]), encoding, parameters)
    similarities: npt.NDArray[np.float64] = 1 - reranked[0, 1:].double().clamp(0, 1).numpy()
    return similarities

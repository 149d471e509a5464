"""Re-ranking of a search's best candidates by k-reciprocal encoding: who looks like the query and is found by it, and
the other way round (Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.reranking import RerankingParameters, encode_neighbours, rerank_rows
from service.components import Components
from service.gallery.appearance_scores import lifted_scores
from service.gallery.mutual_scoring import MutualScoringJob
from service.gallery.scored_candidates import ScoredCandidate
from service.inference.feature_extraction import FeatureMap

# Everybody is compared with everybody: 201² comparisons are as many as a query has with a gallery of 40,000.
RERANKED_CANDIDATES = 200


async def rerank_candidates(
    components: Components, feature_map: FeatureMap, best: Sequence[ScoredCandidate], alpha: float
) -> list[ScoredCandidate]:
    """Re-ranks the best candidates by appearance, and lifts them where they have temporal scores; in their new order.

    With the paper's k1, k2 and λ; all other candidates count for nothing, neither as neighbours nor for the scale. Who
    was erased since they were scored is left out. What is lifted is what re-ranking made of the query's p_a; pivots
    were retrieved by appearance: the nearby persons' own candidates are not re-ranked.

    Args:
        components: of the running service.
        feature_map: the query's.
        best: at most `RERANKED_CANDIDATES`.
        alpha: α of lifting.

    Raises:
        Unavailable: try again.
    """
    job = MutualScoringJob(feature_map, tuple(candidate.detection_id for candidate in best))
    mutual = await components.worker.run_accepted(components.operations.score_mutually, job)
    similarities = await asyncio.to_thread(rerank_first, mutual.logits)
    similarity_of = dict(zip(mutual.detection_ids, similarities.tolist(), strict=True))
    reranked = [
        _rescore(candidate, similarity_of[candidate.detection_id], alpha)
        for candidate in best
        if candidate.detection_id in similarity_of
    ]
    return sorted(reranked, key=lambda candidate: (-candidate.score, candidate.detection_id))


def _rescore(candidate: ScoredCandidate, similarity: float, alpha: float) -> ScoredCandidate:
    temporal = candidate.temporal_score
    score = similarity if temporal is None else lifted_scores(similarity, temporal, alpha)
    return replace(candidate, reranked_score=similarity, score=score)


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

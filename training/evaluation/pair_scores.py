"""How alike every two crops are: by matching, by pooled features, or re-ranked."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from model.checkpoint import Checkpoint
from model.gallery_scoring import choose_scorer
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.precision import choose_precision
from model.reranking import RerankingParameters, rerank
from training.evaluation.progress import OnProgress, report_each

ScoreKind = Literal["logit", "cosine", "reranked"]
_ROWS_PER_BATCH = 32


@dataclass(frozen=True, slots=True)
class PairScores:
    """Scores of some crops against all n.

    Attributes:
        values: float32 [r, n], larger is more alike.
        rows: int64 [r], the numbers of the crops that the rows belong to, ascending.
        kind: what the values are.
    """

    values: Tensor
    rows: Tensor
    kind: ScoreKind

    def of(self, crops: Tensor) -> Tensor:
        """The rows [k, n] of crops int64 [k], all of which were scored."""
        return self.values[torch.searchsorted(self.rows, crops)]

    def probabilities(self, values: Tensor) -> Tensor:
        """Values as appearance scores p_a, float64 in [0, 1].

        A logit's sigmoid. A cosine below zero is 0: lifting wants scores of strangers near 0. A re-ranked score is in
        [0, 1] but for rounding.
        """
        return values.double().sigmoid() if self.kind == "logit" else values.double().clamp(0, 1)


@torch.no_grad()
def match_pairs(
    model: Checkpoint, maps: Tensor, rows: Tensor, device: str = "cpu", on_progress: OnProgress | None = None
) -> PairScores:
    """Logits of crops `rows` int64 [r] as queries against all maps [n, hw, d], in the service's precision."""
    precision = choose_precision(device)
    matcher = FoldedMatcher.of(model.matcher, model.config, device)
    scorer = choose_scorer(matcher, model.config.channels, precision)
    stored = maps.to(device)
    values = torch.empty(len(rows), len(maps))
    starts = range(0, len(rows), _ROWS_PER_BATCH)
    for start in report_each(starts, "comparing pairs", on_progress):
        batch = rows[start : start + _ROWS_PER_BATCH]
        values[start : start + len(batch)] = scorer.score(stored[batch], stored).cpu()
    return PairScores(values, rows, "logit")


def compare_pooled(pooled: Tensor, rows: Tensor) -> PairScores:
    """Cosines of crops `rows` int64 [r] with all pooled features [n, c], which are of unit length."""
    return PairScores(pooled[rows] @ pooled.T, rows, "cosine")


def rerank_pairs(scores: PairScores, parameters: RerankingParameters) -> PairScores:
    """Re-ranked scores 1 − d* of all pairs.

    The distance of two crops is 1 − p_a of the mean of both directions' logits: a head with weights of its own for
    each direction scores (A, B) and (B, A) a little differently, where re-ranking takes one distance for both. The
    authors' code copies the scores of the queries to the other direction instead; its distance was 1 − p_a of a logit
    divided by ten, and is now the logit's negative. Of cosines it is 1 − cosine, half the squared Euclidean distance
    of the re-ranking paper's code.
    """
    n = scores.values.shape[1]
    if len(scores.rows) != n:
        raise ValueError(f"only {len(scores.rows)} of {n} crops were compared with all: re-ranking needs all")
    distances = torch.empty(n, n)
    for rows in torch.arange(n).split(256):
        block = slice(int(rows[0]), int(rows[-1]) + 1)
        mean = (scores.values[block] + scores.values[:, block].T) / 2
        distances[block] = (-mean).sigmoid() if scores.kind == "logit" else (1 - mean).clamp(min=0)
    distances.fill_diagonal_(0)
    # The same memory again: of a whole benchmark a matrix takes 2 GB.
    return PairScores(rerank(distances, parameters, output=distances).neg_().add_(1), scores.rows, "reranked")

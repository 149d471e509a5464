"""From logits to what a search is ranked by."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

Scores = npt.NDArray[np.float64]
_OneOrMany = TypeVar("_OneOrMany", float, Scores)


def appearance_scores(logits: Tensor) -> Scores:
    """Sigmoids, equal for equal logits: those of torch differ in the last bit with the place in the tensor."""
    with np.errstate(over="ignore"):  # far below zero the exponential is infinite, and the score 0
        scores: Scores = 1 / (1 + np.exp(-logits.cpu().numpy().astype(np.float64)))
    return scores


def lifted_scores(similarities: _OneOrMany, temporal_scores: _OneOrMany, alpha: float) -> _OneOrMany:
    """(p_t + α) · p_a, or times what re-ranking made of p_a.

    The one place where it is computed: what has to be exact is certified for these very numbers.
    """
    return (temporal_scores + alpha) * similarities

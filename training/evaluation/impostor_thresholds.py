"""Which appearance score to ask for, by how often two different people reach it."""

import math
from dataclasses import dataclass

from torch import Tensor

FALSE_MATCH_RATES = (1e-2, 1e-3, 1e-4, 1e-5)
# Doddington's rule of 30 (Doddington et al., Speech Communication 31, 2000): with 30 errors, the true rate is within
# 30 % of the measured one with 90 % confidence. With fewer, a threshold would be chance.
_FEWEST_FALSE_MATCHES = 30


@dataclass(frozen=True, slots=True)
class ImpostorThreshold:
    """The p_a that a share of all pairs of different people reach; None where too few pairs were compared to tell."""

    false_match_rate: float
    appearance_score: float | None


@dataclass(frozen=True, slots=True)
class ImpostorThresholds:
    """Thresholds, the laxest first, and of how many pairs of different people they were taken.

    Of people and cameras like those that were measured: a place where everybody wears the same has other ones.
    """

    num_pairs: int
    thresholds: tuple[ImpostorThreshold, ...]


def impostor_thresholds(probabilities: Tensor) -> ImpostorThresholds:
    """Thresholds from p_a [m] of pairs of different people, in ascending order."""
    num_pairs = len(probabilities)
    found = []
    for rate in FALSE_MATCH_RATES:
        count = math.floor(rate * num_pairs + 1e-9)  # 0.01 · 3000 is a little less than 30
        score = round(float(probabilities[-count]), 6) if count >= _FEWEST_FALSE_MATCHES else None
        found.append(ImpostorThreshold(rate, score))
    return ImpostorThresholds(num_pairs, tuple(found))

"""How appearance scores of one person and of different people are spread."""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.retrieval_metrics import JUNK_PERSON
from training.evaluation.impostor_thresholds import ImpostorThresholds, impostor_thresholds
from training.evaluation.pair_scores import PairScores
from training.evaluation.searches import Searches

# p_a from 6e-6 to 1 - 6e-6, in steps of a quarter of its log odds.
LOWEST_LOG_ODDS, HIGHEST_LOG_ODDS, NUM_BINS = -12.0, 12.0, 96


@dataclass(frozen=True, slots=True)
class ScoreSpread:
    """Percentiles 5, 50 and 95 of p_a, for pairs of one person in two cameras and for pairs of two people."""

    same_person: tuple[float, ...]
    different_person: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ScoreHistogram:
    """How many pairs have log odds of p_a in each of `NUM_BINS` equal bins; what is beyond is in the outer ones."""

    same_person: tuple[int, ...]
    different_person: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ScoreDistribution:
    """What is known of the scores of a query and a crop of the gallery."""

    spread: ScoreSpread
    impostors: ImpostorThresholds
    histogram: ScoreHistogram


def score_distribution(scores: PairScores, searches: Searches) -> ScoreDistribution:
    """From the appearance scores of all queries against the gallery; junk and the query itself are left out."""
    values = scores.of(searches.queries)[:, searches.gallery]
    queries, gallery = searches.query_labels, searches.gallery_labels
    is_same = queries.persons[:, None] == gallery.persons[None, :]
    elsewhere = queries.cameras[:, None] != gallery.cameras[None, :]
    same = scores.probabilities(values[is_same & elsewhere].sort().values)
    different = scores.probabilities(values[~is_same & (gallery.persons != JUNK_PERSON)].sort().values)
    if len(same) == 0 or len(different) == 0:
        raise ValueError(
            f"there are {len(same)} pairs of one person in two cameras and {len(different)} of different people: "
            "give crops that have both"
        )
    return ScoreDistribution(
        ScoreSpread(_percentiles(same), _percentiles(different)),
        impostor_thresholds(different),
        ScoreHistogram(_count(same), _count(different)),
    )


def _percentiles(ordered: Tensor) -> tuple[float, ...]:
    return tuple(round(float(ordered[int(share * (len(ordered) - 1))]), 5) for share in (0.05, 0.5, 0.95))


def _count(probabilities: Tensor) -> tuple[int, ...]:
    log_odds = torch.logit(probabilities).clamp(LOWEST_LOG_ODDS, HIGHEST_LOG_ODDS)
    counts = torch.histc(log_odds, NUM_BINS, LOWEST_LOG_ODDS, HIGHEST_LOG_ODDS)
    return tuple(int(count) for count in counts)

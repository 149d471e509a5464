"""From the settings of a sampler to its batches."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from training.sampling.balanced import BalancedSampling, balanced_batches
from training.sampling.graph import GraphSampling, ScoreCrops, graph_batches
from training.sampling.shuffled import ShuffledSampling, shuffled_batches

Sampling = ShuffledSampling | BalancedSampling | GraphSampling


def build_batches(sampling: Sampling, persons: Tensor, score_crops: ScoreCrops, random: Generator) -> Iterator[Tensor]:
    """Endless batches of crop numbers; `persons`, int64 [n], are numbered from 0 without gaps."""
    match sampling:
        case ShuffledSampling():
            return shuffled_batches(len(persons), sampling.crops_per_batch, random)
        case BalancedSampling():
            return balanced_batches(persons, sampling.persons_per_batch, sampling.crops_per_person, random)
        case GraphSampling():
            return graph_batches(persons, sampling, score_crops, random)


def steps_of_an_epoch(sampling: Sampling, persons: Tensor) -> int:
    """Batches of an epoch: each crop once, each person once, or each person the centre of a batch once; at least 1."""
    num_people = len(torch.unique(persons))
    match sampling:
        case ShuffledSampling():
            steps = len(persons) // sampling.crops_per_batch
        case BalancedSampling():
            steps = num_people // sampling.persons_per_batch
        case GraphSampling():
            steps = num_people
    return max(1, steps)

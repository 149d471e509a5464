"""The graph sampler: batches of people who look alike (Liao & Shao, CVPR 2022, Section 3.2)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from training.ranges import check_range
from training.sampling.balanced import check_number_of_people, draw_crops, group_by_person

# Scores [n, n] of crops int64 [n] against each other, larger is more alike, by the model as it is now.
ScoreCrops = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class GraphSampling:
    """A person and those who look most like them, by the model as it is at that time.

    Attributes:
        persons_per_batch: P, the centre included.
        crops_per_person: K.
        persons_per_graph: between how many random people each graph is; 0 for all, as the paper does.
        batches_per_graph: so many of its people are the centre of a batch, then the next graph is made; 0 for
            everybody, as the paper does. A graph that is made often is of the model as it is, and of the people as
            they are where their crops are replaced.
    """

    persons_per_batch: int = 16
    crops_per_person: int = 4
    persons_per_graph: int = 0
    batches_per_graph: int = 0

    def __post_init__(self) -> None:
        check_range(self, "persons_per_batch", "crops_per_person", least=1)
        check_range(self, "persons_per_graph", "batches_per_graph", least=0)
        if self.persons_per_graph and self.persons_per_graph < self.persons_per_batch:
            raise ValueError(
                f"persons_per_graph is {self.persons_per_graph}, persons_per_batch {self.persons_per_batch}: a graph "
                "needs at least a batch's people; give more, or 0 for everybody"
            )

    @property
    def crops_per_batch(self) -> int:
        """Crops of a batch."""
        return self.persons_per_batch * self.crops_per_person


def graph_batches(
    persons: Tensor, sampling: GraphSampling, score_crops: ScoreCrops, random: Generator
) -> Iterator[Tensor]:
    """Endless batches of crop numbers, int64 [persons_per_batch * crops_per_person], each centre's crops first.

    Args:
        persons: int64 [n], the person of every crop, numbered from 0 without gaps.
        sampling: P, K and the size of a graph.
        score_crops: called with one random crop of everybody in a graph, once for each graph.
        random: draws crops and the order of the centres.
    """
    crops_of = group_by_person(persons)
    check_number_of_people(sampling.persons_per_batch, len(crops_of))
    size = sampling.persons_per_graph or len(crops_of)
    while True:
        members = torch.randperm(len(crops_of), generator=random)[:size]
        examples = torch.cat([draw_crops(crops_of[person], 1, random) for person in members.tolist()])
        groups = nearest_groups(score_crops(examples), sampling.persons_per_batch)
        # Members are in random order: so are the first of them.
        for group in groups[: sampling.batches_per_graph or size]:
            chosen = [crops_of[person] for person in members[group].tolist()]
            yield torch.cat([draw_crops(crops, sampling.crops_per_person, random) for crops in chosen])


def nearest_groups(scores: Tensor, size: int) -> Tensor:
    """Everybody with the `size` - 1 others of the highest scores, the highest first: [n, n] to int64 [n, size]."""
    others = scores.clone().fill_diagonal_(-torch.inf).topk(size - 1, dim=1).indices
    centres = torch.arange(len(scores), device=scores.device)
    return torch.cat((centres[:, None], others), dim=1).cpu()

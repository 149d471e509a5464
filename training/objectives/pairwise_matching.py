"""The authors' later objective: every pair of a batch is matched (Liao & Shao, CVPR 2022)."""

from dataclasses import dataclass

from torch import Generator, Tensor

from model.query_adaptive_convolution import QueryAdaptiveConvolution
from training.losses.hard_triplet import hard_triplet_loss, hardest_pairs
from training.losses.pair_labels import label_pairs
from training.losses.pairwise_matching import pairwise_matching_loss
from training.network_outputs import NetworkOutputs
from training.objectives.objective import BatchLoss, LossPart, Objective
from training.pairwise_similarities import score_pairs
from training.ranges import check_range


@dataclass(frozen=True, slots=True)
class PairwiseMatching:
    """Hard triplets and pairwise matching, both on the logits of all pairs of a batch.

    Attributes:
        triplet_weight, matching_weight: of the two losses.
        triplet_margin: in units of the logits; 16 in the authors' code.
    """

    triplet_weight: float = 1.0
    matching_weight: float = 1.0
    triplet_margin: float = 16.0

    def __post_init__(self) -> None:
        check_range(self, "triplet_weight", "matching_weight", "triplet_margin", least=0)


class PairwiseMatchingObjective(Objective):
    """A batch's crops against each other: negatives are as fresh as can be, and both sides of a pair learn.

    Its accuracy is the share of the crops whose least similar right partner is ahead of every wrong one, among those
    that have both.
    """

    def __init__(self, settings: PairwiseMatching, matcher: QueryAdaptiveConvolution) -> None:
        super().__init__()
        self.settings = settings
        self.matcher = matcher

    def forward(self, outputs: NetworkOutputs, persons: Tensor, random: Generator) -> BatchLoss:
        """See `Objective`."""
        logits = score_pairs(outputs.maps, self.matcher.head, self.matcher.kernel_size, outputs.product_dtype)
        pairs = label_pairs(persons)
        matching = pairwise_matching_loss(logits, pairs)
        triplet = hard_triplet_loss(logits, pairs, self.settings.triplet_margin)
        hardest = hardest_pairs(logits.detach(), pairs)
        return BatchLoss(
            total=self.settings.matching_weight * matching + self.settings.triplet_weight * triplet,
            parts=(LossPart("pairwise matching", matching.detach()), LossPart("hard triplet", triplet.detach())),
            accuracy=(hardest.same > hardest.different).float().mean(),
        )

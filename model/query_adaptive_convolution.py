"""Query-adaptive convolution (QAConv): how alike two feature maps are (Liao & Shao 2020, Sections 3.1 and 3.2).

The patches of the query are kernels, convolved over the gallery map: similarities [hw, hw]. Global max pooling keeps
the best partner of every location, in both directions. The head turns these 2hw maxima into one logit.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.config import ModelConfig


class BestPartners(NamedTuple):
    """What global max pooling found, both ways. Shapes [..., hw]; partners are int64 locations of the other map."""

    query_maxima: Tensor
    query_partners: Tensor
    gallery_maxima: Tensor
    gallery_partners: Tensor


class FoldedHead(NamedTuple):
    """BN → FC → BN of inference as the one affine function it is: logit = w_q·v_q + w_g·v_g + bias."""

    query_weights: Tensor
    gallery_weights: Tensor
    bias: float


def extract_patches(maps: Tensor, kernel_size: int) -> Tensor:
    """The zero-padded s×s patch at every location: [n, d, h, w] to [n, d·s², hw]."""
    if kernel_size == 1:
        return maps.flatten(2)
    return functional.unfold(maps, kernel_size, padding=kernel_size // 2)


def compute_similarities(query_patches: Tensor, gallery_patches: Tensor) -> Tensor:
    """Inner products of all patches of every query with all patches of every gallery map.

    Args:
        query_patches: [q, c, hw].
        gallery_patches: [g, c, hw], same dtype.

    Returns:
        [q, g, hw of the query, hw of the gallery]; cosines for s = 1.
    """
    return torch.einsum("qcs,gcr->qgsr", query_patches, gallery_patches)


def global_max_pooling(similarities: Tensor) -> BestPartners:
    """The best partner of every location, from both sides: similarities [..., hw_q, hw_g]; the first of equals."""
    query_maxima, query_partners = similarities.max(dim=-1)
    gallery_maxima, gallery_partners = similarities.max(dim=-2)
    return BestPartners(query_maxima, query_partners, gallery_maxima, gallery_partners)


class MatchingHead(nn.Module):
    """BN(1) → FC → BN(1), from the 2hw maxima to a logit.

    With `shared` one FC of hw weights serves both directions and the two results, each with the FC's bias, are added
    (the authors' later code); without, there are 2hw weights, the query's first (the paper).
    """

    def __init__(self, locations: int, *, shared: bool) -> None:
        super().__init__()
        self.locations = locations
        self.shared = shared
        self.bn = nn.BatchNorm1d(1)
        self.fc = nn.Linear(locations if shared else 2 * locations, 1)
        self.logit_bn = nn.BatchNorm1d(1)
        nn.init.constant_(self.fc.weight, 1 / locations)

    def forward(self, query_maxima: Tensor, gallery_maxima: Tensor) -> Tensor:
        """Maxima [..., hw] of both directions to logits [...]."""
        maxima = torch.cat((query_maxima, gallery_maxima), dim=-1)
        normalised = self.bn(maxima.reshape(-1, 1, 2 * self.locations))
        directions = normalised.view(-1, 2, self.locations) if self.shared else normalised
        sums = self.fc(directions).sum(dim=1)
        logits: Tensor = self.logit_bn(sums)
        return logits.view(maxima.shape[:-1])

    def fold(self) -> FoldedHead:
        """The head of inference as one affine function, computed in float64, weights float32 [hw]."""
        gain, offset = _affine_of(self.bn)
        logit_gain, logit_offset = _affine_of(self.logit_bn)
        weights = self.fc.weight.detach().double().flatten()
        query_weights, gallery_weights = (weights, weights) if self.shared else weights.chunk(2)
        fc_bias = float(self.fc.bias.detach()) * (2 if self.shared else 1)
        inner_bias = offset * float(query_weights.sum() + gallery_weights.sum()) + fc_bias
        return FoldedHead(
            query_weights=(query_weights * gain * logit_gain).float(),
            gallery_weights=(gallery_weights * gain * logit_gain).float(),
            bias=logit_gain * inner_bias + logit_offset,
        )


class QueryAdaptiveConvolution(nn.Module):
    """The matcher with its trainable head."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.kernel_size = config.kernel_size
        self.head = MatchingHead(config.locations, shared=config.shared_head)

    def forward(self, query_maps: Tensor, gallery_maps: Tensor) -> Tensor:
        """Logits [q, g] of every query map [q, d, h, w] against every gallery map [g, d, h, w]."""
        partners = match_maps(query_maps, gallery_maps, self.kernel_size)
        logits: Tensor = self.head(partners.query_maxima, partners.gallery_maxima)
        return logits


def match_maps(query_maps: Tensor, gallery_maps: Tensor, kernel_size: int) -> BestPartners:
    """Best partners [q, g, hw] between every query map [q, d, h, w] and every gallery map [g, d, h, w]."""
    query_patches = extract_patches(query_maps, kernel_size)
    gallery_patches = extract_patches(gallery_maps, kernel_size)
    return global_max_pooling(compute_similarities(query_patches, gallery_patches))


def apply_folded_head(head: FoldedHead, partners: BestPartners) -> Tensor:
    """Logits [...] of best partners [..., hw]."""
    query_part = partners.query_maxima @ head.query_weights
    gallery_part = partners.gallery_maxima @ head.gallery_weights
    return query_part + gallery_part + head.bias


def _affine_of(norm: nn.BatchNorm1d) -> tuple[float, float]:
    """Gain and offset of a one-channel batch normalisation in inference."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    gain = float(norm.weight.detach()) / float(norm.running_var + norm.eps) ** 0.5
    return gain, float(norm.bias.detach()) - gain * float(norm.running_mean)

"""What every way of scoring a gallery promises."""

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from model.config import ModelConfig
from model.gallery_scoring.int8_maps import Int8Maps
from model.query_adaptive_convolution import FoldedHead, QueryAdaptiveConvolution


@dataclass(frozen=True, slots=True)
class FoldedMatcher:
    """What scoring needs of a model: the geometry of its maps and the folded head.

    Attributes:
        map_height: h.
        map_width: w.
        kernel_size: s.
        head: weights [hw] on the device that scores.

    Raises:
        ValueError: the head has not a weight for every location, both ways.
    """

    map_height: int
    map_width: int
    kernel_size: int
    head: FoldedHead

    def __post_init__(self) -> None:
        # A kernel reads as many as there are locations, whatever lies there.
        for name, weights in (("query", self.head.query_weights), ("gallery", self.head.gallery_weights)):
            if weights.shape != (self.map_height * self.map_width,):
                raise ValueError(
                    f"{name} weights of shape {tuple(weights.shape)}, "
                    f"expected [{self.map_height * self.map_width}] for maps {self.map_height} × {self.map_width}"
                )

    @classmethod
    def of(cls, matcher: QueryAdaptiveConvolution, config: ModelConfig, device: torch.device | str) -> "FoldedMatcher":
        """The inference form of a matcher, on a device."""
        head = matcher.head.fold()
        moved = FoldedHead(head.query_weights.to(device), head.gallery_weights.to(device), head.bias)
        return cls(config.map_height, config.map_width, config.kernel_size, moved)

    def mean_of_directions(self) -> "FoldedMatcher":
        """Whose logit of A and B is the mean of this one's two: of A as the query against B, and of B against A.

        Both directions have the same maxima, each location's best in the other map. Only the head tells a query from a
        gallery map, and it is affine: with the mean of its weights for both, it gives the mean of its logits.
        """
        mean = (self.head.query_weights + self.head.gallery_weights) / 2
        return replace(self, head=FoldedHead(mean, mean, self.head.bias))


class GalleryScorer(Protocol):
    """Scores feature maps that lie position-major, [n, hw, d], as a product reads them."""

    def score(self, query_maps: Tensor, gallery_maps: Tensor, rows: Tensor | None = None) -> Tensor:
        """Logits of every query against every gallery map, or against those in some rows.

        Never holds the similarities [q, g, hw, hw] of the whole gallery, only of a block.

        Args:
            query_maps: [q, hw, d], q ≥ 1.
            gallery_maps: [n, hw, d], same dtype and device; n may be 0.
            rows: int64 [g], which gallery maps are scored, in any order; None for all, g = n.

        Returns:
            float32 [q, g]. p_a is their sigmoid.
        """
        ...


class Int8Scorer(GalleryScorer, Protocol):
    """Scores int8 maps too: half as large as float16, and multiplied faster where the device has the means."""

    def score_int8(self, queries: Int8Maps, gallery: Int8Maps, rows: Tensor | None = None) -> Tensor:
        """Logits float32 [q, g]; only the maps are rounded, see `int8_error` for what that does to a logit at most."""
        ...


def position_major(maps: Tensor) -> Tensor:
    """[n, d, h, w] as [n, hw, d], contiguous."""
    return maps.flatten(2).transpose(1, 2).contiguous()

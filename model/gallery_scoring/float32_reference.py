"""The plain way, in float32: what every faster scorer is compared with."""

import torch
from torch import Tensor

from model.gallery_scoring.gallery_rows import check_rows, count_scored, split_gallery
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.patches import extract_position_major_patches
from model.query_adaptive_convolution import apply_folded_head, compute_similarities, global_max_pooling

_GALLERY_MAPS_PER_BLOCK = 64


class Float32ReferenceScorer:
    """Similarities, global max pooling and head exactly as `QueryAdaptiveConvolution` does them, block by block."""

    def __init__(self, matcher: FoldedMatcher) -> None:
        self._matcher = matcher

    def score(self, query_maps: Tensor, gallery_maps: Tensor, rows: Tensor | None = None) -> Tensor:
        """See `GalleryScorer.score`; maps of any floating dtype, computed in float32.

        Args:
            query_maps: [q, hw, d].
            gallery_maps: [n, hw, d].
            rows: int64 [g], which gallery maps are scored, in any order; None for all.

        Raises:
            ValueError: rows that are not there.
        """
        if rows is not None:
            check_rows(rows, gallery_maps)
        shape = len(query_maps), count_scored(rows, gallery_maps)
        logits = torch.empty(shape, dtype=torch.float32, device=gallery_maps.device)
        for columns, chosen in split_gallery(rows, gallery_maps, _GALLERY_MAPS_PER_BLOCK):
            block = gallery_maps[chosen]
            for row, query in enumerate(query_maps):
                logits[row, columns] = self._score_block(query[None], block)[0]
        return logits

    def _score_block(self, query_maps: Tensor, gallery_maps: Tensor) -> Tensor:
        query_patches = extract_position_major_patches(query_maps.float(), self._matcher).transpose(1, 2)
        gallery_patches = extract_position_major_patches(gallery_maps.float(), self._matcher).transpose(1, 2)
        partners = global_max_pooling(compute_similarities(query_patches, gallery_patches))
        return apply_folded_head(self._matcher.head, partners)

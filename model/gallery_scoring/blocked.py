"""Scoring in reduced precision, in blocks whose similarities stay in the cache. Plain torch, CPU and CUDA."""

import torch
from torch import Tensor
from torch.nn import functional

from model.gallery_scoring.gallery_rows import check_rows, count_scored, split_gallery
from model.gallery_scoring.int8_maps import Int8Maps
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.patches import extract_position_major_patches

# Similarities of one block, in bytes. CPU: float32 is flat from 2 to 8 MiB; below 16 maps, one thread takes another,
# slower convolution; bfloat16 gains up to 4 MiB. CUDA: enough work for each launch, small beside the device's memory.
_BLOCK_BYTES = {"cpu": 4 * 2**20, "cuda": 256 * 2**20}


class BlockedScorer:
    """One matrix product and two `amax` for each block of gallery maps.

    Args:
        matcher: geometry and folded head, on the device that scores.
        compute_dtype: format of the product. The maps are stored in their own format, and converted block by block
            where this one differs: a CPU stores float16 and multiplies in float32.
    """

    def __init__(self, matcher: FoldedMatcher, compute_dtype: torch.dtype) -> None:
        self._matcher = matcher
        self._compute_dtype = compute_dtype

    def score(self, query_maps: Tensor, gallery_maps: Tensor, rows: Tensor | None = None) -> Tensor:
        """See `GalleryScorer.score`.

        Args:
            query_maps: [q, hw, d].
            gallery_maps: [n, hw, d].
            rows: int64 [g], which gallery maps are scored, in any order; None for all.

        Raises:
            ValueError: rows that are not there.
        """
        return self._weigh_maxima(query_maps, gallery_maps, rows, self._compute_dtype).add_(self._matcher.head.bias)

    def score_int8(self, queries: Int8Maps, gallery: Int8Maps, rows: Tensor | None = None) -> Tensor:
        """Logits float32 [q, g] of int8 maps: exact but for what float32 rounds (`int8_maps` says how much).

        Multiplied as float32 whatever the scorer's own format: sums of int8 products are too large for smaller ones.

        Raises:
            ValueError: as `score`.
        """
        sums = self._weigh_maxima(queries.values, gallery.values, rows, torch.float32)
        scales = gallery.scales if rows is None else gallery.scales[rows]
        return sums.mul_(scales).mul_(queries.scales[:, None]).add_(self._matcher.head.bias)

    def _weigh_maxima(
        self, query_maps: Tensor, gallery_maps: Tensor, rows: Tensor | None, compute_dtype: torch.dtype
    ) -> Tensor:
        """Logits without the bias, float32 [q, g]."""
        if rows is not None:
            check_rows(rows, gallery_maps)
        shape = len(query_maps), count_scored(rows, gallery_maps)
        sums = torch.empty(shape, dtype=torch.float32, device=gallery_maps.device)
        kernels = extract_position_major_patches(query_maps.to(compute_dtype), self._matcher)
        for columns, chosen in split_gallery(
            rows, gallery_maps, self._maps_per_block(gallery_maps.device.type, compute_dtype)
        ):
            patches = extract_position_major_patches(gallery_maps[chosen].to(compute_dtype), self._matcher)
            for row, kernel in enumerate(kernels):
                sums[row, columns] = self._weigh_maxima_of_block(kernel, patches)
        return sums

    def _weigh_maxima_of_block(self, kernel: Tensor, patches: Tensor) -> Tensor:
        """One query's kernels [hw, c] against patches [b, hw, c]: [b]."""
        similarities = _compute_similarities(kernel, patches)
        head = self._matcher.head
        query_maxima, gallery_maxima = _take_maxima(similarities)
        # Not a matrix-vector product: its sums depend on the row's place, and equal maps are to score exactly alike.
        query_part = (query_maxima.float() * head.query_weights).sum(dim=1)
        gallery_part = (gallery_maxima.float() * head.gallery_weights).sum(dim=1)
        return query_part + gallery_part

    def _maps_per_block(self, device_type: str, compute_dtype: torch.dtype) -> int:
        locations = self._matcher.map_height * self._matcher.map_width
        # On CUDA, the patches and copies of rows count too: no more maps than of float32.
        itemsize = compute_dtype.itemsize if device_type == "cpu" else torch.float32.itemsize
        return max(1, _BLOCK_BYTES[device_type] // (locations * locations * itemsize))


def _compute_similarities(kernel: Tensor, patches: Tensor) -> Tensor:
    """Inner products of kernels [hw, c] with patches [b, hw, c]: [b, hw of the gallery, hw of the query].

    The branches differ in speed alone. Measured on an AMD EPYC with AVX-512: torch's float32 convolution takes half the
    time of its matrix product.
    """
    if patches.device.type != "cpu" or patches.dtype != torch.float32:
        return patches @ kernel.T
    channels_last = patches[:, :, None].permute(0, 3, 1, 2)
    return functional.conv2d(channels_last, kernel[:, :, None, None]).permute(0, 2, 3, 1).squeeze(2)


def _take_maxima(similarities: Tensor) -> tuple[Tensor, Tensor]:
    """The maxima [b, hw] for every location of the query, and for every one of the gallery.

    On a CPU, torch's maximum of bfloat16 takes many times as long as that of int16. The bits of a bfloat16, read as
    int16, are ordered as the numbers are down to 0, and negative below: maxima that are 0 or more are the right ones.
    """
    if similarities.device.type == "cpu" and similarities.dtype == torch.bfloat16:
        bits = similarities.view(torch.int16)
        of_queries, of_gallery = bits.amax(dim=1), bits.amax(dim=2)
        if not bool((of_queries < 0).any() or (of_gallery < 0).any()):
            return of_queries.view(torch.bfloat16), of_gallery.view(torch.bfloat16)
        similarities = similarities.float()
    return similarities.amax(dim=1), similarities.amax(dim=2)

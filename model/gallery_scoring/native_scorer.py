"""Scoring with the native library: products, both maxima and the head in one pass over the gallery. CPU only."""

import torch
from torch import Tensor

from model.gallery_scoring.int8_maps import Int8Maps
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.native_library import NativeKernel, NativeLibrary, ScoringCall, StorageFormat
from model.gallery_scoring.patches import extract_position_major_patches

_FORMATS: dict[torch.dtype, StorageFormat] = {
    torch.float32: "float32",
    torch.float16: "float16",
    torch.bfloat16: "bfloat16",
    torch.int8: "int8",
}
# Patches are s² times as large as their maps: so many maps' at a time.
_MAPS_OF_PATCHES = 64


class NativeScorer:
    """Maps of any format as they lie, with torch's number of threads; the result is the same with any number.

    float32 and float16 are multiplied in float32, bfloat16 and int8 in their own format where the processor can, else
    in float32 too. A NaN in a map makes the logits of this map NaN and of no other; where a map has infinite values,
    its logits mean nothing.

    Args:
        matcher: geometry and folded head, on the CPU.
        library: whose kernels are used.
        instruction_set: one kernel by its name, for comparisons; None for the fastest.
    """

    def __init__(self, matcher: FoldedMatcher, library: NativeLibrary, instruction_set: str | None = None) -> None:
        self._matcher = matcher
        self._library = library
        self._instruction_set = instruction_set
        self._query_weights = matcher.head.query_weights.detach().float().contiguous()
        self._gallery_weights = matcher.head.gallery_weights.detach().float().contiguous()

    def kernel_for(self, dtype: torch.dtype, channels: int) -> NativeKernel:
        """The kernel for maps of a dtype and number of channels (of patches: times s²).

        Raises:
            ValueError: there is none; says which kernels run here.
        """
        kernel = (
            self._library.choose_kernel(_FORMATS[dtype], channels, self._instruction_set)
            if (dtype in _FORMATS)
            else None
        )
        if kernel is None:
            here = ", ".join(kernel.name for kernel in self._library.kernels) or "none"
            raise ValueError(
                f"no native kernel {self._instruction_set or ''} takes {dtype} maps of {channels} channels; "
                f"this processor has: {here}"
            )
        return kernel

    def score(self, query_maps: Tensor, gallery_maps: Tensor) -> Tensor:
        """See `GalleryScorer.score`.

        Raises:
            ValueError: maps of other shapes than the matcher's, of two dtypes, or not on the CPU.
        """
        self._check(query_maps, gallery_maps)
        if self._matcher.kernel_size == 1:
            return self._score_patches(query_maps, gallery_maps)
        queries = self._extract(query_maps)
        blocks = gallery_maps.split(_MAPS_OF_PATCHES)
        return torch.cat([self._score_patches(queries, self._extract(block)) for block in blocks], dim=1)

    def score_int8(self, queries: Int8Maps, gallery: Int8Maps) -> Tensor:
        """Logits float32 [q, g] of int8 maps; the products are exact, only the maps are rounded.

        Raises:
            ValueError: as `score`.
        """
        self._check(queries.values, gallery.values)
        if self._matcher.kernel_size == 1:
            return self._score_patches(queries.values, gallery.values, queries.scales, gallery.scales)
        patches = self._extract(queries.values)
        blocks = zip(gallery.values.split(_MAPS_OF_PATCHES), gallery.scales.split(_MAPS_OF_PATCHES), strict=True)
        logits = [
            self._score_patches(patches, self._extract(values), queries.scales, scales) for values, scales in blocks
        ]
        return torch.cat(logits, dim=1)

    def _extract(self, maps: Tensor) -> Tensor:
        # torch unfolds neither int8 nor, in every release, float16; float32 holds their values.
        wide = maps.float() if maps.dtype in {torch.int8, torch.float16} else maps
        return extract_position_major_patches(wide, self._matcher).to(maps.dtype)

    def _score_patches(
        self,
        queries: Tensor,
        gallery: Tensor,
        query_scales: Tensor | None = None,
        gallery_scales: Tensor | None = None,
    ) -> Tensor:
        """Any [q, hw, c] against [g, hw, c]; what the library reads stays alive until it has."""
        kernel = self.kernel_for(gallery.dtype, gallery.shape[2])
        read = [_dense(queries), _dense(gallery), self._query_weights, self._gallery_weights]
        scales = [None if some is None else some.float().contiguous() for some in (query_scales, gallery_scales)]
        logits = torch.empty(len(queries), len(gallery))
        call = ScoringCall(
            query_maps=read[0].data_ptr(),
            gallery_maps=read[1].data_ptr(),
            query_scales=None if scales[0] is None else scales[0].data_ptr(),
            gallery_scales=None if scales[1] is None else scales[1].data_ptr(),
            query_weights=read[2].data_ptr(),
            gallery_weights=read[3].data_ptr(),
            logits=logits.data_ptr(),
            query_count=len(queries),
            gallery_count=len(gallery),
            locations=gallery.shape[1],
            channels=gallery.shape[2],
            bias=self._matcher.head.bias,
        )
        self._library.score(kernel, call, _FORMATS[gallery.dtype], torch.get_num_threads())
        return logits

    def _check(self, query_maps: Tensor, gallery_maps: Tensor) -> None:
        locations = self._matcher.map_height * self._matcher.map_width
        for name, maps in (("query", query_maps), ("gallery", gallery_maps)):
            if maps.dim() != 3 or maps.shape[1] != locations or maps.shape[2] != gallery_maps.shape[-1]:
                raise ValueError(
                    f"{name} maps of shape {tuple(maps.shape)}, expected [n, {locations}, {gallery_maps.shape[-1]}]"
                )
            if maps.device.type != "cpu" or maps.dtype != gallery_maps.dtype:
                raise ValueError(
                    f"{name} maps are {maps.dtype} on {maps.device}, the gallery's {gallery_maps.dtype}; "
                    "expected the same dtype, and both on the CPU"
                )


def _dense(maps: Tensor) -> Tensor:
    return maps.detach().contiguous()

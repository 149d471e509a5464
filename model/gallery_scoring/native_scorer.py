"""Scoring with the native library: products, both maxima and the head in one pass over the gallery. CPU only."""

from typing import NamedTuple

import torch
from torch import Tensor

from model.gallery_scoring.gallery_rows import check_rows, count_scored, split_gallery
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
    its logits mean nothing. Maps that are not contiguous are copied first. Any number of Python's threads may call it
    at once; none of them holds Python's lock while it scores.

    Args:
        matcher: geometry and folded head.
        library: whose kernels are used.
        instruction_set: one kernel by its name, for comparisons; None for the fastest.
    """

    def __init__(self, matcher: FoldedMatcher, library: NativeLibrary, instruction_set: str | None = None) -> None:
        self._matcher = matcher
        self._library = library
        self._instruction_set = instruction_set
        self._query_weights = matcher.head.query_weights.detach().to("cpu", torch.float32).contiguous()
        self._gallery_weights = matcher.head.gallery_weights.detach().to("cpu", torch.float32).contiguous()

    def kernel_for(self, dtype: torch.dtype, channels: int) -> NativeKernel:
        """The kernel for maps of a dtype and number of channels (of patches: times s²).

        Raises:
            ValueError: there is none; says which kernels run here.
        """
        if dtype in _FORMATS:
            kernel = self._library.choose_kernel(_FORMATS[dtype], channels, self._instruction_set)
            if kernel is not None:
                return kernel
        here = ", ".join(kernel.name for kernel in self._library.kernels) or "none"
        raise ValueError(
            f"no native kernel {self._instruction_set or ''} takes {dtype} maps of {channels} channels; "
            f"this processor has: {here}"
        )

    def score(self, query_maps: Tensor, gallery_maps: Tensor, rows: Tensor | None = None) -> Tensor:
        """See `GalleryScorer.score`; float32, float16 or bfloat16.

        Args:
            query_maps: [q, hw, d].
            gallery_maps: [n, hw, d].
            rows: int64 [g], which gallery maps are scored, in any order; None for all. They are read where they lie.

        Raises:
            ValueError: maps of other shapes than the matcher's, of two dtypes, of int8, or not on the CPU; rows that
                are not there.
        """
        if gallery_maps.dtype == torch.int8:
            raise ValueError("maps of int8 have scales: use score_int8")
        return self._score(_Stored(query_maps), _Stored(gallery_maps), rows)

    def score_int8(self, queries: Int8Maps, gallery: Int8Maps, rows: Tensor | None = None) -> Tensor:
        """Logits float32 [q, g] of int8 maps: exact but for what float32 rounds (`int8_maps` says how much).

        Raises:
            ValueError: as `score`.
        """
        return self._score(_Stored(queries.values, queries.scales), _Stored(gallery.values, gallery.scales), rows)

    def _score(self, queries: "_Stored", gallery: "_Stored", rows: Tensor | None) -> Tensor:
        self._check(queries.values, gallery.values)
        if rows is not None:
            check_rows(rows, gallery.values)
        if self._matcher.kernel_size == 1:
            return self._call(queries, gallery, rows)
        logits = torch.empty(len(queries.values), count_scored(rows, gallery.values), dtype=torch.float32, device="cpu")
        patches = self._extract(queries)
        for columns, chosen in split_gallery(rows, gallery.values, _MAPS_OF_PATCHES):
            logits[:, columns] = self._call(patches, self._extract(gallery.at(chosen)), None)
        return logits

    def _extract(self, maps: "_Stored") -> "_Stored":
        # torch unfolds neither int8 nor, in every release, float16; float32 holds their values.
        values = maps.values
        wide = values.float() if values.dtype in {torch.int8, torch.float16} else values
        return _Stored(extract_position_major_patches(wide, self._matcher).to(values.dtype), maps.scales)

    def _call(self, queries: "_Stored", gallery: "_Stored", rows: Tensor | None) -> Tensor:
        """Any [q, hw, c] against [n, hw, c], or against some rows of them."""
        locations, channels = gallery.values.shape[1:]
        kernel = self.kernel_for(gallery.values.dtype, channels)
        logits = torch.empty(len(queries.values), count_scored(rows, gallery.values), dtype=torch.float32, device="cpu")
        # What the library reads, kept until it has.
        queries, gallery = queries.dense(), gallery.dense()
        rows = None if rows is None else rows.contiguous()
        call = ScoringCall(
            query_maps=queries.values.data_ptr(),
            gallery_maps=gallery.values.data_ptr(),
            query_scales=None if queries.scales is None else queries.scales.data_ptr(),
            gallery_scales=None if gallery.scales is None else gallery.scales.data_ptr(),
            gallery_rows=None if rows is None else rows.data_ptr(),
            query_weights=self._query_weights.data_ptr(),
            gallery_weights=self._gallery_weights.data_ptr(),
            logits=logits.data_ptr(),
            query_count=logits.shape[0],
            gallery_count=logits.shape[1],
            locations=locations,
            channels=channels,
            bias=self._matcher.head.bias,
        )
        self._library.score(kernel, call, _FORMATS[gallery.values.dtype], torch.get_num_threads())
        return logits

    def _check(self, query_maps: Tensor, gallery_maps: Tensor) -> None:
        locations = self._matcher.map_height * self._matcher.map_width
        for name, maps in (("query", query_maps), ("gallery", gallery_maps)):
            if maps.dim() != 3 or maps.shape[1] != locations or maps.shape[2] != gallery_maps.shape[-1]:
                raise ValueError(
                    f"{name} maps of shape {tuple(maps.shape)}, expected [n, {locations}, {gallery_maps.shape[-1]}]"
                )
            if maps.shape[2] == 0:
                raise ValueError(f"{name} maps of shape {tuple(maps.shape)} have no channels, expected 1 or more")
            if maps.device.type != "cpu" or maps.dtype != gallery_maps.dtype:
                raise ValueError(
                    f"{name} maps are {maps.dtype} on {maps.device}, the gallery's {gallery_maps.dtype}; "
                    "expected the same dtype, and both on the CPU"
                )


class _Stored(NamedTuple):
    """Maps of any format; int8 has scales."""

    values: Tensor
    scales: Tensor | None = None

    def at(self, chosen: slice | Tensor) -> "_Stored":
        return _Stored(self.values[chosen], None if self.scales is None else self.scales[chosen])

    def dense(self) -> "_Stored":
        return _Stored(
            self.values.detach().contiguous(), None if self.scales is None else self.scales.detach().contiguous()
        )

"""Scoring on a GPU with the Triton kernel: one launch for all queries and the whole gallery."""

import math
from contextlib import nullcontext

import torch
from torch import Tensor

from model.gallery_scoring.gallery_rows import check_rows
from model.gallery_scoring.int8_maps import Int8Maps
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.triton_kernel import score_pairs
from model.gallery_scoring.triton_tiling import ROWS_OF_A_DETECTION, Tiling, padded

_FLOATING = (torch.float16, torch.bfloat16)
# A program begins by reading its query, as much as one detection: at most a 64th of its work where there is enough.
_MOST_DETECTIONS_PER_PROGRAM = 64
# What registers and shared memory allow on an A100 and an H100 (tests/model/gallery_scoring). Smaller cards hold one
# program of float16 maps; they divide the work a little less evenly.
_PROGRAMS_AT_ONCE_ON_A_MULTIPROCESSOR = 2


class TritonScorer:
    """Maps as they lie, float16 and bfloat16 multiplied in their own format and summed in float32, int8 summed exactly.

    A logit depends on its two maps alone: not on their places, nor on what else is scored. Maps are finite: a maximum
    passes over NaN. Some rows of a gallery are copied before they are scored.

    Args:
        matcher: geometry and folded head, on the device that scores; single locations are its kernels (s = 1).
        tiling: from `choose_tiling`, for the matcher's maps.
        multiprocessors: of the device.
        int8_tiling: the same for int8; None for that of all maps.

    Raises:
        ValueError: the matcher's kernels are larger than one location.
    """

    def __init__(
        self, matcher: FoldedMatcher, tiling: Tiling, multiprocessors: int, int8_tiling: Tiling | None = None
    ) -> None:
        if matcher.kernel_size != 1:
            raise ValueError(f"kernel_size {matcher.kernel_size}: the Triton kernel takes 1 alone; use BlockedScorer")
        self._locations = matcher.map_height * matcher.map_width
        self._query_weights = matcher.head.query_weights.detach().float().contiguous()
        self._gallery_weights = matcher.head.gallery_weights.detach().float().contiguous()
        self._bias = matcher.head.bias
        self._tiling = tiling
        self._int8_tiling = int8_tiling or tiling
        self._programs_at_once = _PROGRAMS_AT_ONCE_ON_A_MULTIPROCESSOR * multiprocessors

    def score(self, query_maps: Tensor, gallery_maps: Tensor, rows: Tensor | None = None) -> Tensor:
        """See `GalleryScorer.score`; float16 or bfloat16.

        Args:
            query_maps: [q, hw, d].
            gallery_maps: [n, hw, d].
            rows: int64 [g], which gallery maps are scored, in any order; None for all.

        Raises:
            ValueError: maps of other shapes than the matcher's, of two dtypes or of one that is not taken; rows that
                are not there.
        """
        self._check(query_maps, gallery_maps, _FLOATING)
        return self._score(query_maps, gallery_maps, rows, self._bias, self._tiling)

    def score_int8(self, queries: Int8Maps, gallery: Int8Maps, rows: Tensor | None = None) -> Tensor:
        """Logits float32 [q, g] of int8 maps: exact but for what float32 rounds (`int8_maps` says how much).

        Raises:
            ValueError: as `score`.
        """
        self._check(queries.values, gallery.values, (torch.int8,))
        sums = self._score(queries.values, gallery.values, rows, 0.0, self._int8_tiling)
        scales = gallery.scales if rows is None else gallery.scales[rows]
        return sums.mul_(scales).mul_(queries.scales[:, None]).add_(self._bias)

    def _score(
        self, query_maps: Tensor, gallery_maps: Tensor, rows: Tensor | None, bias: float, tiling: Tiling
    ) -> Tensor:
        if rows is not None:
            check_rows(rows, gallery_maps)
            gallery_maps = gallery_maps[rows]
        detections = len(gallery_maps)
        if 0 < detections < tiling.group:
            # The kernel scores whole groups.
            gallery_maps = torch.cat([gallery_maps, gallery_maps[-1:].expand(tiling.group - detections, -1, -1)])
        shape = len(query_maps), len(gallery_maps)
        logits = torch.empty(shape, dtype=torch.float32, device=gallery_maps.device)
        if logits.numel():
            # Triton launches on the current device.
            with torch.cuda.device(gallery_maps.device) if gallery_maps.is_cuda else nullcontext():
                self._launch(query_maps.contiguous(), gallery_maps.contiguous(), logits, bias, tiling)
        return logits[:, :detections]

    def _launch(self, query_maps: Tensor, gallery_maps: Tensor, logits: Tensor, bias: float, tiling: Tiling) -> None:
        queries, detections = logits.shape
        groups = math.ceil(detections / tiling.group)
        per_program = self._groups_per_program(queries * groups, tiling.group)
        channels = gallery_maps.shape[2]
        score_pairs[queries * math.ceil(groups / per_program),](
            query_maps,
            gallery_maps,
            self._query_weights,
            self._gallery_weights,
            logits,
            queries,
            detections,
            per_program,
            bias,
            LOCATIONS=self._locations,
            CHANNELS=channels,
            PADDED_CHANNELS=padded(channels),
            PART=tiling.part,
            PARTS=tiling.parts(self._locations),
            GROUP=tiling.group,
            ROWS=ROWS_OF_A_DETECTION,
            STAGES=tiling.stages,
            num_warps=tiling.warps,
        )

    def _groups_per_program(self, groups: int, group: int) -> int:
        """So many, of so many detections each, that the last programs end together, however few there are."""
        most = max(1, _MOST_DETECTIONS_PER_PROGRAM // group)
        rounds = math.ceil(groups / (self._programs_at_once * most))
        return math.ceil(groups / (self._programs_at_once * rounds))

    def _check(self, query_maps: Tensor, gallery_maps: Tensor, dtypes: tuple[torch.dtype, ...]) -> None:
        for name, maps in (("query", query_maps), ("gallery", gallery_maps)):
            expected = (self._locations, gallery_maps.shape[-1])
            if maps.dim() != 3 or maps.shape[1:] != expected:
                raise ValueError(
                    f"{name} maps of shape {tuple(maps.shape)}, expected [n, {expected[0]}, {expected[1]}]"
                )
            if maps.dtype not in dtypes or maps.dtype != gallery_maps.dtype or maps.device != gallery_maps.device:
                allowed = " or ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
                raise ValueError(
                    f"{name} maps are {maps.dtype} on {maps.device}, the gallery's {gallery_maps.dtype} on "
                    f"{gallery_maps.device}; expected the same device and the same dtype: {allowed}"
                )

"""Where a query agrees with the few detections that are answered, and the exact logits of those pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from model.gallery_scoring.interface import FoldedMatcher
from model.query_adaptive_convolution import BestPartners, apply_folded_head, match_maps
from service.inference.feature_extraction import FeatureMap

# Float32 similarities of one block: 64 pairs of 192 × 192 locations are 9 MiB.
_PAIRS_PER_BLOCK = 64


@dataclass(frozen=True, slots=True)
class MatchingJob:
    """A query's feature map and those of the detections that it is compared with, float16 [d, h, w] each."""

    query_map: FeatureMap
    gallery_maps: Sequence[FeatureMap]


@dataclass(frozen=True, slots=True)
class MatchedPair:
    """Logit and best partners (shapes [hw], on the CPU) of the query and one detection; one computation gives both."""

    logit: float
    partners: BestPartners


class Matching:
    """Matches single pairs in float32, on the device."""

    def __init__(self, matcher: FoldedMatcher, device: torch.device) -> None:
        self._matcher = matcher
        self._device = device

    def match(self, jobs: list[MatchingJob]) -> list[list[MatchedPair]]:
        """The pairs of each job, in the order of its gallery maps."""
        with torch.inference_mode():
            return [self._match_one(job) for job in jobs]

    def _match_one(self, job: MatchingJob) -> list[MatchedPair]:
        query = torch.from_numpy(job.query_map[None]).to(self._device).float()
        pairs: list[MatchedPair] = []
        for start in range(0, len(job.gallery_maps), _PAIRS_PER_BLOCK):
            block = torch.from_numpy(np.stack(job.gallery_maps[start : start + _PAIRS_PER_BLOCK])).to(self._device)
            partners = match_maps(query, block.float(), self._matcher.kernel_size)
            logits = apply_folded_head(self._matcher.head, partners)[0].tolist()
            rows = zip(*(field[0].cpu().unbind() for field in partners), strict=True)
            pairs += [MatchedPair(logit, BestPartners(*row)) for logit, row in zip(logits, rows, strict=True)]
        return pairs

"""By what the candidates of one search are ordered, and the first of them, found on the device: scores of all others
stay there.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from service.gallery.appearance_scores import Scores, appearance_scores, lifted_scores
from service.gallery.best_matches import GroupBy, choose_best, group_labels
from service.gallery.scored_candidates import ScoredCandidate
from service.gallery.slot_table import SlotTable

# Scores on the device and here differ in their last bits: by a few of 2⁻⁵³.
_LAST_BITS = 1e-14


@dataclass(frozen=True, slots=True)
class CandidateOrder:
    """The order of the n candidates of one search.

    Attributes:
        table: of the gallery.
        slots: int64 [n], theirs.
        group_by: of what the best are wanted: each detection, or one for each track or person.
        count: how many.
        temporal_scores: p_t, float64 [n], on the device; None without lifting.
        alpha: α of lifting; None where lifting does not decide the order, though there may be temporal scores.
    """

    table: SlotTable
    slots: npt.NDArray[np.int64]
    group_by: GroupBy
    count: int
    temporal_scores: Tensor | None
    alpha: float | None

    def scores_of(self, logits: Tensor) -> Tensor:
        """What candidates are ordered by, but for the last bits: float64 [n], increasing with logits [n]."""
        scores = logits.double().sigmoid()
        if self.temporal_scores is not None and self.alpha is not None:
            scores *= self.temporal_scores + self.alpha
        return scores

    def labels_of(self, places: npt.NDArray[np.int64] | slice) -> npt.NDArray[np.object_] | None:
        """What some candidates are grouped by; None where each is a group of its own."""
        slots = self.slots[places]
        return group_labels(self.group_by, self.table.track_ids[slots], self.table.person_ids[slots])

    def choose_best(self, logits: Tensor) -> tuple[ScoredCandidate, ...]:
        """The best of those whose logits [n] are above −∞, best first; equal scores by detection ID."""
        best = self.find_best(logits)
        scores, appearance, temporal = self._answered_scores(best, logits)
        return tuple(
            ScoredCandidate(
                detection_id=self.table.detection_ids[slot],
                camera_id=self.table.camera_ids[self.table.cameras[slot]],
                timestamp_us=int(self.table.timestamps_us[slot]),
                track_id=self.table.track_ids[slot],
                person_id=self.table.person_ids[slot],
                score=float(scores[number]),
                appearance_score=float(appearance[number]),
                temporal_score=None if temporal is None else float(temporal[number]),
            )
            for number, slot in enumerate(self.slots[best.cpu().numpy()].tolist())
        )

    def find_best(self, logits: Tensor) -> Tensor:
        """The places, int64 [k], of the best, best first."""
        # There may be fewer groups than candidates that come first.
        considered = self.count if self.group_by == "detection" else 4 * self.count
        scores = self.scores_of(logits)
        while True:
            lowest = lowest_of_best(scores, considered)
            best = self._choose_among(torch.nonzero((scores >= lowest) & ~logits.isneginf()).flatten(), logits)
            # Who was not considered is lower than the last of them, whatever the last bits.
            is_enough = len(best) == self.count and float(a_little_less(scores[best[-1]])) >= lowest
            if is_enough or considered >= len(logits):
                return best
            considered *= 4

    def _answered_scores(self, candidates: Tensor, logits: Tensor) -> tuple[Scores, Scores, Scores | None]:
        """What the candidates in some places are ordered by, their p_a and their p_t: the numbers that are answered."""
        appearance = appearance_scores(logits[candidates])
        if self.temporal_scores is None:
            return appearance, appearance, None
        temporal = self.temporal_scores[candidates].cpu().numpy()
        scores = appearance if self.alpha is None else lifted_scores(appearance, temporal, self.alpha)
        return scores, appearance, temporal

    def _choose_among(self, candidates: Tensor, logits: Tensor) -> Tensor:
        """The places of the best of the candidates in some places, best first."""
        scores, _, _ = self._answered_scores(candidates, logits)
        places = candidates.cpu().numpy()
        ids = self.table.detection_ids[self.slots[places]]
        return candidates[choose_best(scores, ids, self.labels_of(places), self.count)]


def lowest_of_best(scores: Tensor, count: int) -> float:
    """What the K-th highest of some scores [n] is, or a little less: nobody below it is among the best K.

    −∞ where there are fewer.
    """
    return float(a_little_less(scores.topk(count).values[-1])) if len(scores) >= count else -torch.inf


def a_little_less(scores: Tensor) -> Tensor:
    """No score is as low that is as high as one of these but for the last bits; they are not negative."""
    return scores * (1 - _LAST_BITS)

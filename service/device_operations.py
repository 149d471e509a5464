"""What the service asks of its device: each operation with the model, the gallery and the batch that belong to it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.checkpoint import Checkpoint
from service.gallery.candidate_scoring import CandidateScoring, ScoringJob
from service.gallery.create_gallery import DeviceScorer
from service.gallery.device_gallery import DeviceGallery
from service.gallery.mutual_scoring import MutualScores, MutualScoring, MutualScoringJob
from service.gallery.remembered_rows import RememberedRows
from service.gallery.scored_candidates import ScoredCandidates
from service.inference.device_worker import Operation
from service.inference.feature_extraction import FeatureExtraction, FeatureMap
from service.inference.known_answer import KnownAnswerCheck
from service.inference.matching import MatchedPair, Matching, MatchingJob
from service.observability.metrics import Metrics
from service.records import DetectionRecord
from service.settings import Settings

# Writes into the gallery are short; this many at most keep a search waiting.
_WRITES_TOGETHER = 64
_PAIRS_TOGETHER = 256


@dataclass(frozen=True, slots=True)
class DeviceOperations:
    """The operations of one model on one device, for `DeviceWorker.run`."""

    extract: Operation[Tensor, FeatureMap]
    score: Operation[ScoringJob, ScoredCandidates]
    score_mutually: Operation[MutualScoringJob, MutualScores]
    match: Operation[MatchingJob, list[MatchedPair]]
    put: Operation[DetectionRecord, None]
    remove: Operation[str, None]
    check: Operation[None, bool]


def create_device_operations(
    checkpoint: Checkpoint, gallery: DeviceGallery, scoring: DeviceScorer, settings: Settings, metrics: Metrics
) -> DeviceOperations:
    """Puts a model onto the gallery's device and says what can be asked of it there.

    Raises:
        CapacityError: the device has too little memory for the rows that are to be remembered.
    """
    device = gallery.device
    matcher = scoring.matcher
    check = KnownAnswerCheck(
        matcher,
        checkpoint.config.channels,
        scoring.scorer,
        gallery.exact.dtype,
        device,
        int8_scorer=scoring.scorer if gallery.coarse is not None else None,
    )
    extraction = FeatureExtraction(checkpoint.extractor, device)
    rows = RememberedRows(gallery, settings.remembered_rows_bytes, metrics)
    candidates = CandidateScoring(gallery, rows, metrics)
    return DeviceOperations(
        extract=Operation("extract", extraction.extract, settings.extraction_batch),
        score=Operation("score", candidates.score, settings.scoring_batch, parts_of=_nearby),
        score_mutually=Operation("score_mutually", MutualScoring(gallery, scoring.mean_scorer).score),
        match=Operation("match", Matching(matcher, device).match, _PAIRS_TOGETHER, _pairs),
        put=Operation("put", gallery.put, _WRITES_TOGETHER),
        remove=Operation("remove", gallery.remove, _WRITES_TOGETHER),
        check=Operation("check", check.check, settings.max_waiting),
    )


def choose_device(wanted: str) -> torch.device:
    """The device of a setting; `auto` is the first GPU, and the CPU where there is none.

    Raises:
        ValueError: a GPU was asked for and there is none.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device {wanted} was asked for and no CUDA device is usable here: set QACONV_DEVICE=cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {wanted} was asked for, there are {torch.cuda.device_count()}: set QACONV_DEVICE")
    return device


def _pairs(job: MatchingJob) -> int:
    return len(job.gallery_maps)


def _nearby(job: ScoringJob) -> tuple[str, ...]:
    return job.nearby_ids

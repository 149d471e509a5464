"""How well a model finds people: by appearance, with temporal lifting, and beside a colour histogram."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from model.checkpoint import Checkpoint
from model.gallery_scoring import BlockedScorer, position_major
from model.gallery_scoring.interface import FoldedMatcher
from model.gallery_scoring.precision import choose_precision
from model.preprocessing import preprocess_crop
from model.retrieval_metrics import CropLabels, RetrievalMetrics, retrieval_metrics
from model.temporal_lifting import Candidates, LiftingParameters, lift_scores
from training.color_histogram import histogram_scores
from training.datasets.labelled_crop import LabelledCrop

# As the service does: at most so many nearby people besides the query, the closest in time.
_MAX_NEARBY = 64
_CROPS_PER_BATCH = 32
_Item = TypeVar("_Item")
# Called with what is being done, how much of it is done, and of how much.
OnProgress = Callable[[str, int, int], None]
# The histogram looks at every third pixel of every third row: as good, a ninth of the work.
_HISTOGRAM_STEP = 3


@dataclass(frozen=True, slots=True)
class ScoreSpread:
    """Percentiles 5, 50 and 95 of p_a, for pairs of one person in two cameras and for pairs of two people."""

    same_person: tuple[float, ...]
    different_person: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """Metrics of one gallery, for three ways of ranking it."""

    color_histogram: RetrievalMetrics
    appearance: RetrievalMetrics
    lifted: RetrievalMetrics


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Figures of one model on one dataset.

    Attributes:
        other_cameras: searching where else somebody was seen: the gallery is what the other cameras saw.
        all_cameras: the gallery is everything, also what the query's own camera saw of others. Harder, for the
            histogram above all: one camera makes all its pictures alike.
        spread: of p_a.
    """

    other_cameras: Figures
    all_cameras: Figures
    spread: ScoreSpread
    num_crops: int

    def to_json_values(self) -> dict[str, object]:
        """The figures as JSON values, for a checkpoint's provenance."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Observations:
    """What is known of n crops: labels, int64 [n], and times, float64 [n]."""

    labels: CropLabels
    seconds: Tensor


def evaluate(
    model: Checkpoint,
    crops: Sequence[LabelledCrop],
    parameters: LiftingParameters,
    on_progress: OnProgress | None = None,
) -> EvaluationReport:
    """Search the first crop of every track among all other crops.

    The query's own person in its own camera is left out of the ranking (see `retrieval_metrics`).

    Raises:
        OSError: a crop's file cannot be read.
        ValueError: nobody is seen by two cameras, everybody is the same person, or a crop is not an image.
    """
    _check_labels(crops)
    reading = _report_each(crops, "reading crops", on_progress)
    pixels = torch.stack([preprocess_crop(crop.read_image(), model.config) for crop in reading])
    logits = score_all_pairs(model, extract_maps(model, pixels, on_progress), on_progress)
    coarse = pixels[:, :, ::_HISTOGRAM_STEP, ::_HISTOGRAM_STEP]
    labels = CropLabels(_number([crop.person_id for crop in crops]), _number([crop.camera_id for crop in crops]))
    observed = Observations(labels, torch.tensor([crop.timestamp_seconds for crop in crops], dtype=torch.float64))
    queries = _first_of_each([crop.track_id for crop in crops])
    histogram = histogram_scores(coarse[queries], coarse)
    elsewhere = labels.cameras[queries][:, None] != labels.cameras[None, :]
    not_itself = queries[:, None] != torch.arange(len(crops))[None, :]
    search = partial(
        _figures,
        queries,
        logits=logits,
        histogram=histogram,
        observed=observed,
        parameters=parameters,
        on_progress=on_progress,
    )
    return EvaluationReport(
        other_cameras=search(elsewhere, stage="ranking other cameras"),
        all_cameras=search(not_itself, stage="ranking all cameras"),
        spread=_score_spread(logits, labels),
        num_crops=len(crops),
    )


@torch.no_grad()
def extract_maps(model: Checkpoint, pixels: Tensor, on_progress: OnProgress | None = None) -> Tensor:
    """Feature maps float32 [n, d, h, w] of uint8 crops [n, 3, input_height, input_width]."""
    batches = _report_each(pixels.split(_CROPS_PER_BATCH), "extracting features", on_progress)
    return torch.cat([model.extractor(batch) for batch in batches])


@torch.no_grad()
def score_all_pairs(model: Checkpoint, maps: Tensor, on_progress: OnProgress | None = None) -> Tensor:
    """Logits [n, n] of all feature maps [n, d, h, w] against each other, in the precision that the service uses."""
    precision = choose_precision("cpu")
    scorer = BlockedScorer(FoldedMatcher.of(model.matcher, model.config, "cpu"), precision.compute)
    stored = position_major(maps).to(precision.storage)
    batches = _report_each(stored.split(_CROPS_PER_BATCH), "comparing all pairs", on_progress)
    return torch.cat([scorer.score(batch, stored) for batch in batches])


def lift_query(
    query: int, gallery: Tensor, logits: Tensor, observed: Observations, parameters: LiftingParameters
) -> Tensor:
    """Lifted scores [n] of one crop against those of a gallery; minus infinity for all others.

    Args:
        query: number of the crop.
        gallery: bool [n], the candidates of this search, for scores and pivots alike; not the query.
        logits: [n, n] of all pairs.
        observed: cameras and times of all crops.
        parameters: of the lifting.
    """
    searched = torch.cat((torch.tensor([query]), _find_nearby(query, observed, parameters.tau_seconds)))
    candidates = Candidates(
        ids=[f"{number:08d}" for number in torch.nonzero(gallery).flatten().tolist()],
        cameras=observed.labels.cameras[gallery],
        seconds=observed.seconds[gallery],
    )
    found = lift_scores(logits[query][gallery].sigmoid(), logits[searched][:, gallery], candidates, parameters)
    scores = torch.full(gallery.shape, float("-inf"), dtype=torch.float64)
    scores[gallery] = found.scores
    return scores


def _find_nearby(query: int, observed: Observations, tau_seconds: float) -> Tensor:
    """Crops of the query's camera within tau of it, the closest first, without the query."""
    distances = (observed.seconds - observed.seconds[query]).abs()
    is_nearby = (observed.labels.cameras == observed.labels.cameras[query]) & (distances < tau_seconds)
    is_nearby[query] = False
    nearby = torch.nonzero(is_nearby).flatten()
    return nearby[distances[nearby].argsort(stable=True)][:_MAX_NEARBY]


def _figures(
    queries: Tensor,
    galleries: Tensor,
    *,
    logits: Tensor,
    histogram: Tensor,
    observed: Observations,
    parameters: LiftingParameters,
    stage: str,
    on_progress: OnProgress | None,
) -> Figures:
    """Figures of queries [q] that each search its own gallery, bool [q, n]."""
    labels = observed.labels
    query_labels = CropLabels(labels.persons[queries], labels.cameras[queries])
    lifted = [
        lift_query(query, gallery, logits, observed, parameters)
        for query, gallery in _report_each(list(zip(queries.tolist(), galleries, strict=True)), stage, on_progress)
    ]

    def measure(scores: Tensor) -> RetrievalMetrics:
        return retrieval_metrics(scores.masked_fill(~galleries, float("-inf")), query_labels, labels)

    return Figures(measure(histogram), measure(logits[queries]), measure(torch.stack(lifted)))


def _check_labels(crops: Sequence[LabelledCrop]) -> None:
    cameras, persons = {crop.camera_id for crop in crops}, {crop.person_id for crop in crops}
    for what, names in (("camera", cameras), ("person", persons)):
        if len(names) < 2:
            raise ValueError(f"all {len(crops)} crops are of one {what} {sorted(names)}; give crops of two or more")


def _report_each(items: Sequence[_Item], stage: str, on_progress: OnProgress | None) -> Iterator[_Item]:
    """The items, each reported as done when the next one is asked for."""
    for done, item in enumerate(items, start=1):
        yield item
        if on_progress is not None:
            on_progress(stage, done, len(items))


def _score_spread(logits: Tensor, labels: CropLabels) -> ScoreSpread:
    is_same = labels.persons[:, None] == labels.persons[None, :]
    other_camera = labels.cameras[:, None] != labels.cameras[None, :]
    probabilities = logits.sigmoid()
    return ScoreSpread(_percentiles(probabilities[is_same & other_camera]), _percentiles(probabilities[~is_same]))


def _percentiles(values: Tensor) -> tuple[float, ...]:
    # By sorting: torch.quantile refuses more than 16 million values.
    ordered = values.sort().values
    return tuple(round(float(ordered[int(share * (len(ordered) - 1))]), 5) for share in (0.05, 0.5, 0.95))


def _number(names: Sequence[str]) -> Tensor:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([numbers[name] for name in names], dtype=torch.int64)


def _first_of_each(names: Sequence[str]) -> Tensor:
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        first.setdefault(name, number)
    return torch.tensor(list(first.values()), dtype=torch.int64)

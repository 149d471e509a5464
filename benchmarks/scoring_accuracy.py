"""What each way's rounding costs, beside float64, on maps that are not random: drawn crops, the shipped checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.results_file import Section, number, table
from benchmarks.scoring_ways import Setup, Way, store
from model.checkpoint import Checkpoint
from model.gallery_scoring import position_major
from model.preprocessing import preprocess_crop
from training.synthetic.network import SyntheticNetwork

# Of a network that no recipe trains on or is chosen by.
_SEED, _PEOPLE, _CAMERAS = 9103, 80, 6
_CROPS_PER_BATCH = 32
_TOP = 10


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One way's scores beside those of float64.

    Attributes:
        root_mean_square: error, in the standard deviations of a query's scores over the gallery; largest: likewise.
        overlap: share of the exact ten best that are among its ten best.
        equal: share of queries whose ten best are the same detections.
    """

    way: str
    root_mean_square: float
    largest: float
    overlap: float
    equal: float


@dataclass(frozen=True, slots=True)
class Accuracies:
    """Of all ways, over so many queries and detections."""

    rows: Sequence[Accuracy]
    queries: int
    detections: int


def extract_drawn_crops(model: Checkpoint, count: int) -> Tensor:
    """Maps float32 [count, hw, d] of crops spread evenly over a drawn network's day."""
    network = SyntheticNetwork(_SEED, _PEOPLE, _CAMERAS)
    chosen = [network[place * len(network) // count] for place in range(count)]
    pixels = torch.stack([preprocess_crop(crop.read_image(), model.config) for crop in chosen])
    return torch.cat([position_major(model.extractor(batch)) for batch in pixels.split(_CROPS_PER_BATCH)])


def measure_accuracy(setup: Setup, ways: Sequence[Way], queries: Tensor, gallery: Tensor) -> Accuracies:
    """Of every way."""
    exact = score_in_float64(setup, queries, gallery)
    found = []
    for way in ways:
        scores = way.score(store(queries, way.storage), store(gallery, way.storage)).double()
        errors = (scores - exact) / exact.std(dim=1, keepdim=True)
        shares = _shared_of_the_best(scores, exact)
        spread = float(errors.square().mean().sqrt()), float(errors.abs().max())
        found.append(Accuracy(way.name, *spread, float(shares.mean()), float((shares == 1).double().mean())))
    return Accuracies(found, len(queries), len(gallery))


def score_in_float64(setup: Setup, queries: Tensor, gallery: Tensor) -> Tensor:
    """Logits [q, g] of float32 maps, all arithmetic in float64."""
    head = setup.matcher.head
    rows = []
    for query in queries.double():
        similarities = gallery.double() @ query.T
        query_part = similarities.amax(dim=1) @ head.query_weights.double()
        rows.append(query_part + similarities.amax(dim=2) @ head.gallery_weights.double() + head.bias)
    return torch.stack(rows)


def accuracy_section(accuracies: Accuracies) -> Section:
    """A row for each way."""
    rows = [
        [each.way, number(each.root_mean_square), number(each.largest), f"{each.overlap:.2%}", f"{each.equal:.1%}"]
        for each in accuracies.rows
    ]
    text = (
        f"{accuracies.queries} queries against {accuracies.detections} detections: crops of a drawn network that "
        "nothing was trained on, through the shipped checkpoint. Errors beside float64 in the standard deviations of a "
        "query's scores over the gallery. Where the best are scored again, all other scores are those of int8."
    )
    header = ["way", "root mean square error", "largest error", "top-10 overlap", "queries with the same top 10"]
    return Section("Accuracy", f"{text}\n\n{table(header, rows)}")


def _shared_of_the_best(scores: Tensor, exact: Tensor) -> Tensor:
    """Share [q] of a query's exact best that are found among as many best."""
    count = min(_TOP, exact.shape[1])
    found, right = scores.topk(count, dim=1).indices, exact.topk(count, dim=1).indices
    return (found[:, :, None] == right[:, None, :]).any(dim=1).double().mean(dim=1)

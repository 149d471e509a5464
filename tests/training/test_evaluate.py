from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.checkpoint import Checkpoint, create_checkpoint, load_checkpoint, save_checkpoint
from model.config import ModelConfig
from model.temporal_lifting import LiftingParameters
from tests.training.evaluation.made_searches import crop
from training.datasets.dataset import DISTRACTOR, JUNK, Dataset
from training.datasets.labelled_crop import LabelledCrop
from training.evaluate import EvaluationReport, EvaluationSettings, evaluate
from training.evaluation import pair_scores
from training.synthetic.network import SyntheticNetwork
from training.synthetic.walks import Traffic

CONFIG = ModelConfig(input_height=64, input_width=32, backbone="resnet18", final_layer="layer2", channels=16)
EVERYTHING = EvaluationSettings(shuffle_times_seed=1, random_weights=True)


@pytest.fixture(scope="module")
def model() -> Checkpoint:
    torch.manual_seed(0)
    return create_checkpoint("random", CONFIG)


@pytest.fixture(scope="module")
def benchmark() -> Dataset:
    """Ten people whose crops are the same picture everywhere, who walk in pairs; with a distractor and junk."""
    queries = [crop(f"p{person}", "c1", 300 * (person // 2), seed=person) for person in range(10)]
    gallery = [crop(f"p{person}", "c2", 300 * (person // 2) + 60, seed=person) for person in range(10)]
    # Junk of the very picture of a query would be wrong if it counted; so would the same person in the same camera.
    others = [crop(JUNK, "c2", 9999, seed=0), crop("p1", "c1", 301, seed=1), crop(DISTRACTOR, "c2", 20000, seed=99)]
    return Dataset("ten people", [], queries, gallery + others, has_times=True)


def test_everything_is_measured_and_told(model: Checkpoint) -> None:
    network = SyntheticNetwork(seed=1, num_people=5, num_cameras=3, traffic=Traffic(60.0, 2, 2))
    told: list[tuple[str, int, int]] = []
    report = evaluate(model, network, LiftingParameters(), lambda *progress: told.append(progress), EVERYTHING)
    for stage in {stage for stage, _, _ in told if stage not in ("extracting features", "comparing pairs")}:
        total = next(total for name, _, total in told if name == stage)
        assert [done for name, done, _ in told if name == stage] == list(range(1, total + 1))
    assert report.num_crops == len(network)
    assert report.all_cameras.appearance.num_queries == len({crop.track_id for crop in network})
    for figures in (report.all_cameras, report.other_cameras):
        for name in figures.__slots__:
            metrics = getattr(figures, name)
            assert 0 <= metrics.rank1 <= metrics.rank5 <= metrics.rank10 <= metrics.rank20 <= 1
            assert 0 < metrics.mean_inverse_negative_penalty <= 1
    # Fewer wrong crops can only help.
    assert report.other_cameras.appearance.rank1 >= report.all_cameras.appearance.rank1
    assert set(report.drawings.matching_curves) == set(report.all_cameras.__slots__)


def test_a_benchmark_of_equal_pictures_is_solved_by_appearance(model: Checkpoint, benchmark: Dataset) -> None:
    report = evaluate(model, benchmark, LiftingParameters(num_pivots=2), settings=EVERYTHING)
    for figures in (report.all_cameras, report.other_cameras):
        assert figures.appearance.rank1 == figures.appearance.mean_average_precision == 1.0
        assert figures.appearance.mean_inverse_negative_penalty == 1.0
        assert figures.appearance.num_queries == 10
        assert figures.color_histogram is not None
        assert figures.color_histogram.rank1 == 1.0
    # Two pivots in a camera: the query's crop there, and that of who walked with it.
    assert report.other_cameras.lifted is not None
    assert report.other_cameras.lifted.rank5 == 1.0
    assert report.dataset == "ten people"
    assert report.num_crops == 23


def test_the_untrained_model_is_always_the_same(model: Checkpoint, benchmark: Dataset) -> None:
    first = evaluate(model, benchmark, None, settings=EvaluationSettings(random_weights=True))
    torch.manual_seed(77)
    again = evaluate(
        create_checkpoint("other", CONFIG), benchmark, None, settings=EvaluationSettings(random_weights=True)
    )
    assert first.all_cameras.random_weights == again.all_cameras.random_weights


def test_what_has_no_times_is_not_lifted(model: Checkpoint, benchmark: Dataset) -> None:
    report = evaluate(model, replace(benchmark, has_times=False), LiftingParameters(), settings=EVERYTHING)
    assert report.lifting is None
    assert report.all_cameras.lifted is None
    assert report.all_cameras.lifted_shuffled is None
    assert report.all_cameras.reranked is not None


def test_without_reranking_and_gallery_neighbours_only_queries_are_compared(
    model: Checkpoint, benchmark: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_scores, "_ROWS_PER_BATCH", 1)

    def compared(settings: EvaluationSettings) -> tuple[EvaluationReport, int]:
        told: list[tuple[str, int, int]] = []
        report = evaluate(model, benchmark, LiftingParameters(), lambda *progress: told.append(progress), settings)
        return report, next(total for stage, _, total in told if stage == "comparing pairs")

    whole, rows_of_whole = compared(EvaluationSettings())
    part, rows_of_part = compared(EvaluationSettings(reranking=None, nearby_from="queries"))
    assert (rows_of_whole, rows_of_part) == (23, 10)
    assert part.all_cameras.appearance == whole.all_cameras.appearance
    assert part.impostor_thresholds == whole.impostor_thresholds
    assert part.all_cameras.reranked is None
    assert part.all_cameras.lifted is not None


def test_a_model_can_be_compared_by_pooled_features(model: Checkpoint, benchmark: Dataset) -> None:
    report = evaluate(model, benchmark, LiftingParameters(), settings=EvaluationSettings(score_by="pooled_cosine"))
    assert report.all_cameras.appearance == report.all_cameras.pooled_cosine
    assert report.all_cameras.reranked_lifted is not None


def test_json_values_are_the_figures_without_the_drawings(model: Checkpoint, benchmark: Dataset) -> None:
    report = evaluate(model, benchmark, LiftingParameters())
    values = report.to_json_values()
    assert set(values) == set(EvaluationReport.__slots__) - {"drawings"}
    assert values["all_cameras"]["reranked_lifted"]["rank1"] == report.all_cameras.reranked_lifted.rank1  # type: ignore[index, union-attr]
    assert values["impostor_thresholds"]["thresholds"][0]["false_match_rate"] == 0.01  # type: ignore[index]
    assert values["lifting"]["num_pivots"] == 100  # type: ignore[index]


def test_thresholds_are_kept_in_a_checkpoint(model: Checkpoint, tmp_path: Path) -> None:
    crops = [crop(f"p{number}", camera, number, seed=number) for number in range(40) for camera in ("c1", "c2")]
    report = evaluate(model, crops, None, settings=EvaluationSettings(reranking=None))
    assert report.impostor_thresholds.num_pairs == 80 * 78
    save_checkpoint(replace(model, provenance={"validation": report.to_json_values()}), tmp_path / "x.safetensors")
    kept = load_checkpoint(tmp_path / "x.safetensors").provenance["validation"]["impostor_thresholds"]
    assert kept["num_pairs"] == 80 * 78
    assert [threshold["false_match_rate"] for threshold in kept["thresholds"]] == [1e-2, 1e-3, 1e-4, 1e-5]
    assert kept["thresholds"][0]["appearance_score"] == report.impostor_thresholds.thresholds[0].appearance_score
    assert kept["thresholds"][3]["appearance_score"] is None


@pytest.mark.parametrize(("what", "people", "cameras"), [("camera", 3, 1), ("person", 1, 3)])
def test_crops_of_one_camera_or_one_person_are_refused(model: Checkpoint, what: str, people: int, cameras: int) -> None:
    network = SyntheticNetwork(seed=1, num_people=people, num_cameras=cameras, traffic=Traffic(60.0, 2, 2))
    with pytest.raises(ValueError, match=f"are of one {what}"):
        evaluate(model, network, LiftingParameters())


def test_a_crop_that_is_no_image_is_told(model: Checkpoint, benchmark: Dataset) -> None:
    broken = LabelledCrop("p1", "c1", 0.0, "t", lambda: b"no image", source="broken.jpg")
    with pytest.raises(ValueError, match=r"broken\.jpg is not an image"):
        evaluate(model, replace(benchmark, queries=[*benchmark.queries, broken]), LiftingParameters())

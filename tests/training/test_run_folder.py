from dataclasses import replace
from pathlib import Path

import torch

from model.checkpoint import create_checkpoint, load_checkpoint
from model.retrieval_metrics import CropLabels, RetrievalMetrics, retrieval_metrics
from training.run_folder import BEST_NAME, LAST_NAME, RunFolder
from training_run import small_recipe


def metrics_of(mean_average_precision: float) -> RetrievalMetrics:
    labels = CropLabels(torch.tensor([0, 0]), torch.tensor([0, 1]))
    measured = retrieval_metrics(torch.eye(2), labels, labels)
    return replace(measured, mean_average_precision=mean_average_precision)


def test_the_best_model_stays_also_when_the_run_goes_on_later(tmp_path: Path) -> None:
    models = [create_checkpoint(f"after {epoch}", small_recipe().model_config) for epoch in range(4)]
    folder = RunFolder(tmp_path / "run")
    for epoch, value in enumerate((0.3, 0.5, 0.4)):
        folder.keep(models[epoch], metrics_of(value), 0, epoch)
    assert load_checkpoint(tmp_path / "run" / BEST_NAME).name == "after 1"
    assert load_checkpoint(tmp_path / "run" / LAST_NAME).name == "after 2"
    resumed = RunFolder(tmp_path / "run")
    resumed.keep(models[3], metrics_of(0.45), 1, 0)
    best = load_checkpoint(tmp_path / "run" / BEST_NAME)
    assert best.name == "after 1"
    assert best.provenance == {"stage": 0, "epoch": 1, "validation": {"mean_average_precision": 0.5, "rank1": 1.0}}
    assert load_checkpoint(resumed.keep_finished(models[0])).name == "after 0"

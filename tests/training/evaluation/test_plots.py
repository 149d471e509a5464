from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.checkpoint import create_checkpoint
from model.config import ModelConfig
from model.temporal_lifting import LiftingParameters
from tests.training.evaluation.made_searches import crop
from training.evaluate import EvaluationReport, evaluate
from training.evaluation.plots import draw_plots


@pytest.fixture(scope="module")
def report() -> EvaluationReport:
    torch.manual_seed(0)
    config = ModelConfig(input_height=64, input_width=32, backbone="resnet18", final_layer="layer2", channels=16)
    crops = [crop(f"p{person}", camera, 90 * person, seed=person) for person in range(12) for camera in ("c1", "c2")]
    return evaluate(create_checkpoint("random", config), crops, LiftingParameters())


def test_three_pictures_are_drawn_that_are_not_blank(report: EvaluationReport, tmp_path: Path) -> None:
    files = draw_plots(report, tmp_path / "new" / "plots")
    assert [file.name for file in files] == ["matching_curves.png", "score_histograms.png", "false_matches.png"]
    for file in files:
        with Image.open(file) as image:
            pixels = np.asarray(image.convert("RGB"))
        assert pixels.shape == (600, 960, 3)
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50


def test_what_was_measured_decides_what_is_drawn(report: EvaluationReport, tmp_path: Path) -> None:
    without = replace(report, drawings=replace(report.drawings, matching_curves={"appearance": (0.5, 1.0)}))
    draw_plots(report, tmp_path / "all")
    draw_plots(without, tmp_path / "one")
    names = ("matching_curves.png", "score_histograms.png")
    same = [(tmp_path / "all" / name).read_bytes() == (tmp_path / "one" / name).read_bytes() for name in names]
    assert same == [False, True]

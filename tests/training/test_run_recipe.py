from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.evaluation.made_searches import crop
from training.datasets.crop_folder import write_crop_folder
from training.recipes import RECIPES, paper_qaconv, tiny
from training.run_recipe import evaluation_settings, open_source, run_recipe
from training.sources.named_dataset import NamedDataset

POOLED = {"paper_softmax", "paper_arc", "paper_centre", "paper_pooled_memory"}


@pytest.mark.parametrize("name", list(RECIPES))
def test_a_model_is_measured_by_what_was_trained(name: str) -> None:
    expected = "pooled_cosine" if name in POOLED else "matching"
    assert evaluation_settings(RECIPES[name]()).score_by == expected


@pytest.mark.parametrize(("kept_at", "height", "width"), [((0, 0), 384, 128), ((256, 0), 256, 128), ((64, 32), 64, 32)])
def test_crops_of_a_dataset_are_kept_at_the_models_size_or_at_what_is_set(
    kept_at: tuple[int, int], height: int, width: int, tmp_path: Path
) -> None:
    folder = tmp_path / "crops"
    write_crop_folder(folder, [crop(f"p{place // 2}", f"c{place % 2}", place, seed=place) for place in range(4)])
    recipe = replace(paper_qaconv(), source=NamedDataset("csv", str(folder), *kept_at))
    with open_source(recipe, 1, lambda stage, done, total: None) as crops:
        assert crops.read(torch.arange(4)).shape == (4, 3, height, width)


@pytest.mark.parametrize("frozen", [{"freezes_statistics": True}, {"frozen_parts": 1}])
def test_random_weights_or_their_statistics_are_not_frozen_and_this_is_told_before_the_work(
    frozen: dict[str, Any],
) -> None:
    recipe = replace(tiny(), **frozen)
    nothing = dict.fromkeys(("on_progress", "on_step", "on_validation"), lambda *_: None)
    with pytest.raises(
        ValueError, match=rf"tiny freezes .* and is to start from random weights: .* or --set {next(iter(frozen))}="
    ):
        run_recipe(recipe, 1, **nothing)

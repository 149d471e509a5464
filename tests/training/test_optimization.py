from dataclasses import replace

import pytest
import torch

from model.checkpoint import create_checkpoint
from training.objectives.build_objective import build_objective
from training.objectives.class_memory_matching import ClassMemoryMatching
from training.objectives.classification import Classification
from training.optimization import OptimizerSettings, build_optimizer, limit_gradients, set_learning_rate
from training_run import small_recipe


def test_the_backbone_has_a_rate_of_its_own_and_every_weight_is_there_once() -> None:
    recipe = small_recipe()
    model = create_checkpoint("small", recipe.model_config)
    for settings, num_new in ((ClassMemoryMatching(), 0), (Classification(), 2)):
        objective = build_objective(settings, model, 5)
        optimizer = build_optimizer(OptimizerSettings(), model, objective)
        set_learning_rate(optimizer, OptimizerSettings(), 0.01)
        backbone, new = optimizer.param_groups
        assert (backbone["lr"], new["lr"]) == (pytest.approx(0.001), 0.01)
        assert (backbone["momentum"], backbone["weight_decay"], backbone["nesterov"]) == (0.9, 5e-4, True)
        in_model = sum(1 for part in (model.extractor, model.matcher) for _ in part.parameters())
        assert len(backbone["params"]) + len(new["params"]) == in_model + num_new


def test_gradients_are_scaled_down_together() -> None:
    model = create_checkpoint("small", small_recipe().model_config)
    objective = build_objective(ClassMemoryMatching(), model, 5)
    optimizer = build_optimizer(OptimizerSettings(), model, objective)
    weights = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for limit, expected in ((3.0, 3.0), (0.0, None)):
        for weight in weights:
            weight.grad = torch.ones_like(weight)
        before = float(torch.cat([weight.grad.flatten() for weight in weights]).norm())
        limit_gradients(optimizer, replace(OptimizerSettings(), largest_gradient_norm=limit))
        after = float(torch.cat([weight.grad.flatten() for weight in weights]).norm())
        assert after == pytest.approx(expected or before, rel=1e-3)

"""Trains a recipe: stages, and in each load, loop, step, report."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import cos, pi
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from model.checkpoint import Checkpoint, create_checkpoint
from training.augmentation import augment
from training.batches import balanced_batches
from training.class_memory import ClassMemory, score_against_classes
from training.datasets.crop_pixels import CropPixels
from training.losses import contrastive_loss, focal_matching_loss
from training.recipes import Recipe, Stage
from training.resizing import resize_model

# Horizontal stripes that features are averaged in for the contrastive loss: head, torso, thighs, legs.
_NUM_STRIPES = 4


@dataclass(frozen=True, slots=True)
class StepReport:
    """What a training step did; losses are of its batch."""

    stage: int
    step: int
    matching_loss: float
    contrastive_loss: float
    learning_rate: float


class _StageState(NamedTuple):
    """What the steps of a stage read and change."""

    recipe: Recipe
    stage: Stage
    model: Checkpoint
    memory: ClassMemory
    optimizer: torch.optim.Optimizer
    random: Generator


OnStep = Callable[[StepReport, Checkpoint], None]


def train(recipe: Recipe, crops: CropPixels, on_step: OnStep | None = None) -> Checkpoint:
    """Train from random weights, or from those of ImageNet if the recipe says so.

    Args:
        recipe: everything but the pixels.
        crops: the training crops.
        on_step: called after every step with the model in training mode; may save or evaluate it, if it
            brings it back to training mode.

    Returns:
        The model in inference mode, without provenance.

    Raises:
        ImageNetWeightsUnavailable: the recipe asks for them and they cannot be downloaded.
    """
    torch.manual_seed(recipe.seed)
    random = torch.Generator().manual_seed(recipe.seed)
    model = create_checkpoint(recipe.name, recipe.model_config, recipe.imagenet_weights)
    for number, stage in enumerate(recipe.stages):
        model = resize_model(model, stage.input_height, stage.input_width)
        state = _begin_stage(recipe, stage, model, crops.num_persons, random)
        for report in _run_stage(state, number, crops):
            if on_step is not None:
                on_step(report, model)
    model.extractor.eval()
    model.matcher.eval()
    return model


def _begin_stage(recipe: Recipe, stage: Stage, model: Checkpoint, num_persons: int, random: Generator) -> _StageState:
    model.extractor.to(memory_format=torch.channels_last).train()
    model.matcher.train()
    config = model.config
    memory = ClassMemory(num_persons, (config.channels, config.map_height, config.map_width))
    return _StageState(recipe, stage, model, memory, _build_optimizer(recipe, model), random)


def _run_stage(state: _StageState, number: int, crops: CropPixels) -> Iterator[StepReport]:
    stage, random = state.stage, state.random
    size = (stage.input_height, stage.input_width)
    pixels, persons = torch.from_numpy(crops.pixels), torch.from_numpy(crops.persons)
    batches = balanced_batches(persons, stage.persons_per_batch, stage.crops_per_person, random)
    for step, chosen in zip(range(stage.steps), batches, strict=False):
        rate = learning_rate(stage, step)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        changed = augment(pixels[chosen], size, state.recipe.augmentation, random)
        matching, contrast = _compute_losses(state, changed, persons[chosen])
        _update(state, matching + state.recipe.contrastive_loss_weight * contrast)
        yield StepReport(number, step, float(matching.detach()), float(contrast.detach()), rate)


def learning_rate(stage: Stage, step: int) -> float:
    """The rate of a step: a linear warm-up, then a cosine to zero at the stage's end."""
    if step < stage.warmup_steps:
        return stage.learning_rate * (step + 1) / stage.warmup_steps
    progress = (step - stage.warmup_steps) / max(1, stage.steps - stage.warmup_steps)
    return stage.learning_rate * 0.5 * (1 + cos(pi * progress))


def _build_optimizer(recipe: Recipe, model: Checkpoint) -> torch.optim.Optimizer:
    parameters = [*model.extractor.parameters(), *model.matcher.parameters()]
    return torch.optim.SGD(
        parameters, lr=0.0, momentum=recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
    )


def _compute_losses(state: _StageState, crops: Tensor, persons: Tensor) -> tuple[Tensor, Tensor]:
    """Matching and contrastive loss of a batch; the memory takes its feature maps."""
    # bfloat16 is several times faster than float32 on CPUs with its instructions, and right everywhere.
    with torch.autocast("cpu", torch.bfloat16):
        features, maps = _forward(state.model, crops.contiguous(memory_format=torch.channels_last))
    kept = state.memory.replace(maps, persons)
    classes = state.memory.choose_classes(persons, state.stage.classes_per_step, state.random)
    matcher = state.model.matcher
    logits = score_against_classes(maps, state.memory.maps[classes], matcher.head, matcher.kernel_size)
    targets = persons[:, None] == classes[None, :]
    # The memory holds maps of this very batch (the paper updates it afterwards, which from scratch means positives that
    # are an epoch old): a crop whose own map was kept is not scored against itself.
    included = torch.ones_like(targets)
    included[kept] = ~targets[kept]
    stripes = functional.adaptive_avg_pool2d(features.float(), (_NUM_STRIPES, 1)).flatten(1)
    matching_loss = focal_matching_loss(logits, targets, included, state.recipe.gamma)
    return matching_loss, contrastive_loss(stripes, persons)


def _update(state: _StageState, loss: Tensor) -> None:
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    for group in state.optimizer.param_groups:
        nn.utils.clip_grad_norm_(group["params"], state.recipe.largest_gradient_norm)
    state.optimizer.step()


def _forward(model: Checkpoint, crops: Tensor) -> tuple[Tensor, Tensor]:
    """Backbone features [n, c, h, w] and feature maps [n, d, h, w]."""
    features: list[Tensor] = []
    handle = model.extractor.backbone.register_forward_hook(lambda _module, _inputs, output: features.append(output))
    maps: Tensor = model.extractor(crops)
    handle.remove()
    return features[0], maps

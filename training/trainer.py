"""Trains a recipe: stages, in each epochs, and in each load, loop, step, report, save."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from model.checkpoint import Checkpoint, create_checkpoint
from training.augmentation.augment import augment
from training.crop_scoring import score_crops
from training.distributed import (
    average_gradients,
    gather_rows,
    own_part,
    parallel_network,
    process_number,
)
from training.learning_rate import learning_rate
from training.losses.contrastive import stripe_contrastive_loss
from training.network_outputs import NetworkOutputs, TrainedNetwork
from training.objectives.build_objective import build_objective, compares_pooled_features
from training.objectives.objective import BatchLoss, LossPart
from training.optimization import build_optimizer, limit_gradients, new_parameters, set_learning_rate
from training.precision import autocast, check_precision, choose_device, gradient_scaler, product_dtype
from training.recipe import Recipe
from training.resizing import resize_model
from training.sampling.build_batches import build_batches, steps_of_an_epoch
from training.sources.training_crops import TrainingCrops
from training.starting_weights import starting_model
from training.step_report import StepReport
from training.training_state import (
    TrainingState,
    read_training_state,
    restore,
    save_training_state,
)

# Purposes of random generators: parts of their seeds.
_WEIGHTS, _BATCHES, _CROPS = range(3)


class TrainingDiverged(RuntimeError):  # noqa: N818 (says what is the case)
    """The loss of a batch or its gradient is not a number, or infinite; says of which."""


OnStep = Callable[[StepReport], None]
# Called after every epoch, before the state is saved, with the number of the stage, how many of its epochs and how many
# steps of the run are over, and the model, which it must leave as it was.
OnEpoch = Callable[[int, int, int, Checkpoint], None]


def train(
    recipe: Recipe,
    crops: TrainingCrops,
    on_step: OnStep | None = None,
    on_epoch: OnEpoch | None = None,
    state_path: Path | None = None,
) -> Checkpoint:
    """Train from the weights that the recipe starts with.

    Args:
        recipe: everything but the crops.
        crops: that are trained on.
        on_step: called after every step; of joined processes only in the first, as the next.
        on_epoch: called after every epoch.
        state_path: where the state is kept; if the file is there, training goes on from it.

    Returns:
        The model in inference mode on the CPU. Its provenance says what it started from, unless from random weights,
        and `training_seconds`, validation included: of a run that was stopped, also those before its last kept epoch.

    Raises:
        CheckpointError, ImageNetWeightsUnavailable, OSError: the weights that the recipe starts with are not to be had.
        TrainingDiverged: training ran away.
        TrainingStateError: the file at `state_path` is not of this run.
        ValueError: the recipe does not fit the machine or the crops.
    """
    device = choose_device(recipe.device)
    check_precision(recipe.precision, device)
    saved = None
    if state_path is not None and state_path.exists():
        saved = read_training_state(recipe, crops.fingerprint(), state_path)
    began = time.monotonic() - (saved.seconds if saved is not None else 0.0)
    torch.manual_seed(_seed(recipe, _WEIGHTS))
    if saved is None:
        model = starting_model(recipe)
    else:
        model = replace(create_checkpoint(recipe.name, recipe.model_config), provenance=saved.provenance)
    step = 0
    for number, stage in enumerate(recipe.stages):
        if saved is not None and number < saved.stage:
            continue
        num_classes = int(crops.persons.max()) + 1
        state = _begin_stage(recipe, number, model, num_classes, device=device, step=step, began=began)
        if saved is not None and number == saved.stage:
            restore(saved, state)
        for _ in range(state.epoch, stage.epochs):
            _run_epoch(recipe, state, crops, on_step)
            _end_epoch(recipe, state, crops, on_epoch, state_path)
        model, step = state.model, state.step
    model.extractor.cpu().eval()
    model.matcher.cpu().eval()
    return replace(model, provenance={**model.provenance, "training_seconds": round(time.monotonic() - began)})


def _begin_stage(
    recipe: Recipe, number: int, model: Checkpoint, num_classes: int, *, device: torch.device, step: int, began: float
) -> TrainingState:
    stage = recipe.stages[number]
    torch.manual_seed(_seed(recipe, _WEIGHTS, 1 + number))
    model = resize_model(model, stage.input_height, stage.input_width)
    model.extractor.to(device).to(memory_format=torch.channels_last).train(not recipe.freezes_statistics)
    for part in islice(model.extractor.backbone.children(), recipe.frozen_parts):
        part.requires_grad_(False).eval()
    model.matcher.to(device).train()
    objective = build_objective(recipe.objective, model, num_classes).to(device)
    if compares_pooled_features(recipe.objective):
        # They have no part in the loss, and data-parallel training waits for the gradients of whatever has one.
        model.extractor.neck.requires_grad_(False)
        model.matcher.requires_grad_(False)
    network = parallel_network(TrainedNetwork(model.extractor))
    optimizer = build_optimizer(recipe.optimizer, model, objective)
    scaler = gradient_scaler(recipe.precision, device)
    return TrainingState(number, 0, step, model, network, objective, optimizer, scaler, began)


def _run_epoch(recipe: Recipe, state: TrainingState, crops: TrainingCrops, on_step: OnStep | None) -> None:
    stage = recipe.stages[state.stage]
    steps = stage.steps_per_epoch or steps_of_an_epoch(stage.sampling, crops.persons)
    batch_random = _generator(recipe, _BATCHES, state.stage, state.epoch)
    crop_random = _generator(recipe, _CROPS, state.stage, state.epoch, process_number())

    def score(chosen: Tensor) -> Tensor:
        pixels = crops.read(chosen)
        return score_crops(
            state.model,
            pixels,
            pixels,
            compares_pooled_features=compares_pooled_features(recipe.objective),
            precision=recipe.precision,
        )

    crops.go_to_step(state.step)
    batches = build_batches(stage.sampling, crops.persons, score, batch_random)
    began = time.monotonic()
    for step_of_epoch, chosen in enumerate(islice(batches, steps)):
        rate = learning_rate(stage.schedule, state.epoch * steps + step_of_epoch, stage.epochs * steps, steps)
        set_learning_rate(state.optimizer, recipe.optimizer, rate)
        own = own_part(chosen)
        loss = _compute_loss(recipe, state, crops, own, crop_random=crop_random, batch_random=batch_random)
        total = float(loss.total.detach())
        if not math.isfinite(total):
            raise TrainingDiverged(_describe_divergence("loss", total, state, step_of_epoch, crops.describe(own)))
        norm = _update(recipe, state, loss.total)
        # After the step, and not before it: the report waits for the device here anyway, and the weights of a run that
        # ends here are never kept. The scaler of float16 leaves such steps out by itself, and halves its scale.
        leaves_out = state.scaler.is_enabled() and state.scaler.get_scale() >= 1
        if not (math.isfinite(norm) or leaves_out):
            raise TrainingDiverged(
                _describe_divergence("gradients' norm", float(norm), state, step_of_epoch, crops.describe(own))
            )
        state.step += 1
        crops.go_to_step(state.step)
        now = time.monotonic()
        if on_step is not None and process_number() == 0:
            speed = len(chosen) / (now - began)
            on_step(_report(state, step_of_epoch + 1, steps, loss, rate=rate, crops_per_second=speed))
        began = now


def _compute_loss(
    recipe: Recipe,
    state: TrainingState,
    crops: TrainingCrops,
    own: Tensor,
    *,
    crop_random: Generator,
    batch_random: Generator,
) -> BatchLoss:
    """The loss of the whole batch, of which this process runs its `own` crops through the network."""
    stage, device = recipe.stages[state.stage], next(state.model.extractor.parameters()).device
    size = (stage.input_height, stage.input_width)
    changed = augment(crops.read(own).to(device), size, recipe.augmentation, crop_random)
    with autocast(recipe.precision, device):
        outputs = state.network(changed.contiguous(memory_format=torch.channels_last))
    outputs = NetworkOutputs(
        gather_rows(outputs.features.float()), gather_rows(outputs.maps), product_dtype(recipe.precision)
    )
    persons = gather_rows(crops.persons[own].to(device))
    loss: BatchLoss = state.objective(outputs, persons, batch_random)
    if recipe.contrastive.weight:
        contrastive = stripe_contrastive_loss(outputs.features, persons, recipe.contrastive)
        part = LossPart("contrastive", contrastive.detach())
        loss = BatchLoss(loss.total + recipe.contrastive.weight * contrastive, (*loss.parts, part), loss.accuracy)
    return loss


def _update(recipe: Recipe, state: TrainingState, loss: Tensor) -> Tensor:
    """One step of the optimizer; the norm that all gradients together had."""
    state.optimizer.zero_grad(set_to_none=True)
    state.scaler.scale(loss).backward()
    average_gradients(_outside_the_network(state))
    state.scaler.unscale_(state.optimizer)
    norm = limit_gradients(state.optimizer, recipe.optimizer)
    state.scaler.step(state.optimizer)
    state.scaler.update()
    return norm


def _outside_the_network(state: TrainingState) -> list[torch.nn.Parameter]:
    in_network = {id(parameter) for parameter in state.network.parameters()}
    return [parameter for parameter in new_parameters(state.model, state.objective) if id(parameter) not in in_network]


def _end_epoch(
    recipe: Recipe, state: TrainingState, crops: TrainingCrops, on_epoch: OnEpoch | None, state_path: Path | None
) -> None:
    state.epoch += 1
    if process_number() != 0:
        return
    if on_epoch is not None:
        on_epoch(state.stage, state.epoch, state.step, state.model)
    if state_path is not None:
        save_training_state(state, recipe, crops.fingerprint(), state_path)


def _report(
    state: TrainingState, step_of_epoch: int, steps: int, loss: BatchLoss, *, rate: float, crops_per_second: float
) -> StepReport:
    accuracy = float(loss.accuracy)
    return StepReport(
        stage=state.stage,
        epoch=state.epoch,
        step=state.step,
        step_of_epoch=step_of_epoch,
        steps=steps,
        loss=float(loss.total.detach()),
        parts=tuple((part.name, float(part.value)) for part in loss.parts),
        accuracy=None if math.isnan(accuracy) else accuracy,
        learning_rate=rate,
        crops_per_second=crops_per_second,
    )


def _describe_divergence(name: str, value: float, state: TrainingState, step_of_epoch: int, sources: list[str]) -> str:
    return (
        f"the {name} is {value} in stage {state.stage}, epoch {state.epoch}, batch {step_of_epoch}: lower the learning "
        f"rate, or limit gradients (optimizer.largest_gradient_norm). The crops of the batch that"
        f" this process had: {', '.join(sources)}"
    )


def _generator(recipe: Recipe, *purpose: int) -> Generator:
    return torch.Generator().manual_seed(_seed(recipe, *purpose))


def _seed(recipe: Recipe, *purpose: int) -> int:
    return int(np.random.SeedSequence([recipe.seed, *purpose]).generate_state(1, np.uint64)[0] >> 1)

"""The model that a run begins with."""

from dataclasses import replace
from pathlib import Path

from model.checkpoint import Checkpoint, create_checkpoint, load_checkpoint
from model.imagenet_weights import weights_origin
from training.recipe import Recipe
from training.resizing import resize_model


def starting_model(recipe: Recipe) -> Checkpoint:
    """The weights a recipe starts from: random ones of PyTorch's generator, ImageNet's, or those of a checkpoint.

    The model's provenance names what it started from. A checkpoint's head is resized to the recipe's input (see
    `resize_model`).

    Raises:
        CheckpointError: the file is no checkpoint, or a damaged one.
        ImageNetWeightsUnavailable: they cannot be had.
        OSError: the file cannot be read.
        ValueError: the checkpoint is of another architecture than the recipe's, or the recipe freezes random weights or
            their statistics.
    """
    wanted = recipe.model_config
    if (recipe.freezes_statistics or recipe.frozen_parts) and not (recipe.imagenet_weights or recipe.start_from):
        frozen, setting = (
            ("statistics", "freezes_statistics=false") if recipe.freezes_statistics else ("parts", "frozen_parts=0")
        )
        raise ValueError(
            f"{recipe.name} freezes the {frozen} that it starts with, and is to start from random weights: give "
            f"--imagenet-weights or --start-from, or --set {setting}"
        )
    if not recipe.start_from:
        model = create_checkpoint(recipe.name, wanted, recipe.imagenet_weights)
        origin = {"started_from": {"name": weights_origin(wanted.backbone)}} if recipe.imagenet_weights else {}
        return replace(model, provenance=origin)
    found = load_checkpoint(Path(recipe.start_from))
    if replace(found.config, input_height=wanted.input_height, input_width=wanted.input_width) != wanted:
        raise ValueError(
            f"{recipe.start_from} holds a model of {found.config}, and the recipe trains one of {wanted}: set the "
            "recipe's model_config to the same, input sizes apart"
        )
    provenance = {"started_from": {"name": found.name, "fingerprint": found.fingerprint}}
    resized = resize_model(found, wanted.input_height, wanted.input_width)
    return replace(resized, name=recipe.name, provenance=provenance)

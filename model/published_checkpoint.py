"""Reads checkpoints of the authors' published repository (ShengcaiLiao/QAConv), of both of its heads."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.checkpoint import Checkpoint, CheckpointError, create_checkpoint, load_states
from model.config import BackboneName, FinalLayer, ModelConfig

# Blocks in layer3 and whether they are bottlenecks tell torchvision's residual networks apart.
_BACKBONES: Mapping[tuple[int, bool], BackboneName] = {
    (2, False): "resnet18",
    (6, False): "resnet34",
    (6, True): "resnet50",
    (23, True): "resnet101",
    (36, True): "resnet152",
}
_LAYERS: tuple[FinalLayer, ...] = ("layer2", "layer3", "layer4")


def load_published_checkpoint(path: Path, input_height: int = 384, input_width: int = 128) -> Checkpoint:
    """Reads a `checkpoint.pth.tar` of the authors: a dict with the states `model` and `criterion`.

    The authors' networks take pixels in [0, 1] without normalisation, resized bicubically. What only training needs
    (class memory, optimizer, ImageNet classifier, layers after the final one) is left out. Their head of 2hw weights
    has the gallery's direction first, ours the query's. Their evaluation divides logits by 10 before the sigmoid to
    make scores easier to read; here p_a is the sigmoid of the logit itself, as in the paper and as lifting needs it.

    Args:
        path: the file, opened with `weights_only=True`: nothing in it is executed.
        input_height: as given to the authors' `--height`; the file does not say it.
        input_width: as given to `--width`.

    Raises:
        CheckpointError: not such a file, an IBN network, or a head of another size than the input's map.
    """
    model, criterion = _read(path)
    if any(".IN." in name for name in model):
        raise CheckpointError(f"{path}: an IBN-Net backbone; torchvision's ResNets are supported")
    config = _infer_config(path, model, criterion, input_height, input_width)
    checkpoint = create_checkpoint(path.stem.removesuffix(".pth"), config)
    load_states(checkpoint, _rename(model, criterion, config), str(path))
    provenance = {"source": "published checkpoint of ShengcaiLiao/QAConv", "file": path.name}
    return Checkpoint(checkpoint.name, config, checkpoint.extractor, checkpoint.matcher, provenance)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # Bytes that are no pickle raise whatever they spell.
        raise CheckpointError(f"{path} cannot be read as weights alone: {error}") from error
    if not isinstance(content, dict) or not all(_is_state(content.get(part)) for part in ("model", "criterion")):
        raise CheckpointError(
            f"{path} is not a published checkpoint: expected a dict with the states 'model' and 'criterion'"
        )
    # `module.` is torch's DataParallel, `matcher.` the later code's loss around the matcher.
    model = {name.removeprefix("module."): tensor for name, tensor in content["model"].items()}
    criterion = {name.removeprefix("matcher."): tensor for name, tensor in content["criterion"].items()}
    return model, criterion


def _is_state(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items())


def _infer_config(
    path: Path, model: Mapping[str, Tensor], criterion: Mapping[str, Tensor], height: int, width: int
) -> ModelConfig:
    try:
        config = _infer_network(model, height, width)
        head_weights = criterion["fc.weight"].shape[1]
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(f"{path}: not a ResNet with neck_conv and fc as published: {error}") from error
    if head_weights not in (config.locations, 2 * config.locations):
        raise CheckpointError(
            f"{path}: its head has {head_weights} weights, a map of {height}×{width} crops has {config.locations} "
            "locations: give the input size that it was trained with"
        )
    return replace(config, shared_head=head_weights == config.locations)


def _infer_network(model: Mapping[str, Tensor], height: int, width: int) -> ModelConfig:
    neck = model["neck_conv.weight"]
    bottleneck = "base.layer1.0.conv3.weight" in model
    blocks = len({name.split(".")[2] for name in model if name.startswith("base.layer3.")})
    return ModelConfig(
        input_height=height,
        input_width=width,
        interpolation="bicubic",
        input_mean=(0.0, 0.0, 0.0),
        input_std=(1.0, 1.0, 1.0),
        backbone=_BACKBONES[(blocks, bottleneck)],
        final_layer=_LAYERS[[128, 256, 512].index(neck.shape[1] // (4 if bottleneck else 1))],
        channels=neck.shape[0],
        neck_kernel_size=neck.shape[2],
        neck_batch_norm="neck_bn.weight" in model,
    )


def _rename(model: Mapping[str, Tensor], criterion: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    kept = ("conv1", "bn1", *(f"layer{i}" for i in range(1, int(config.final_layer[-1]) + 1)))
    state: dict[str, Tensor] = {}
    for name, tensor in model.items():
        first, _, rest = name.partition(".")
        if first == "base" and rest.split(".")[0] in kept:
            state[f"extractor.backbone.{rest}"] = tensor
        elif first == "neck_conv":
            state[f"extractor.neck.convolution.{rest}"] = tensor
        elif first == "neck_bn":
            state[f"extractor.neck.batch_norm.{rest}"] = tensor
    for name, tensor in criterion.items():
        if name.split(".")[0] in ("bn", "fc", "logit_bn"):
            state[f"matcher.head.{name}"] = tensor
    if not config.shared_head:
        weight = state["matcher.head.fc.weight"]
        state["matcher.head.fc.weight"] = weight.roll(config.locations, dims=1)
    return state

"""A trained model as one file: weights, config, provenance and fingerprint, in safetensors."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from model.config import ModelConfig
from model.feature_extractor import FeatureExtractor
from model.query_adaptive_convolution import QueryAdaptiveConvolution

_FORMAT = "qaconv-checkpoint-1"


class CheckpointError(ValueError):
    """A file that is not a checkpoint, or not the one that it says it is."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model and where it comes from.

    Attributes:
        name: how the model is called in answers.
        config: the architecture.
        extractor: in inference mode.
        matcher: in inference mode.
        provenance: JSON values: how it was trained, on what, with which figures.
    """

    name: str
    config: ModelConfig
    extractor: FeatureExtractor
    matcher: QueryAdaptiveConvolution
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of weights and config, hexadecimal: two models with the same one give the same maps and scores."""
        return _fingerprint(_state_of(self.extractor, self.matcher), self.config)


def shipped_checkpoint_path() -> Path:
    """The checkpoint that comes with the project."""
    return Path(str(files("model") / "checkpoints" / "qaconv-resnet18-synthetic.safetensors"))


def create_checkpoint(name: str, config: ModelConfig, imagenet_weights: bool = False) -> Checkpoint:
    """A model as training begins: with random weights, or with a backbone trained on ImageNet.

    Raises:
        ImageNetWeightsUnavailable: they were asked for and cannot be had.
    """
    extractor = FeatureExtractor(config, imagenet_weights=imagenet_weights)
    return Checkpoint(name, config, extractor.eval(), QueryAdaptiveConvolution(config).eval())


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Writes a checkpoint; a crash or a loss of power leaves the file that was there before, or none.

    Raises:
        OSError: the file cannot be written.
    """
    metadata = {
        "format": _FORMAT,
        "name": checkpoint.name,
        "config": checkpoint.config.to_json(),
        "provenance": json.dumps(dict(checkpoint.provenance), sort_keys=True),
        "fingerprint": checkpoint.fingerprint,
    }
    state = _state_of(checkpoint.extractor, checkpoint.matcher)
    content = save({name: tensor.contiguous() for name, tensor in state.items()}, metadata)
    unfinished = path.with_name(path.name + ".unfinished")
    # Written here, because safetensors makes files that only their owner can read, whatever the umask says.
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint, strictly.

    Raises:
        CheckpointError: not a checkpoint of this format, weights missing, unknown or of another shape, or a
            fingerprint that does not belong to the content.
        FileNotFoundError: no such file.
    """
    metadata, state = _read(path)
    try:
        config = ModelConfig.from_json(metadata["config"])
        provenance = json.loads(metadata["provenance"])
        name = metadata["name"]
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: the metadata is damaged: {error}") from error
    if _fingerprint(state, config) != metadata.get("fingerprint"):
        raise CheckpointError(
            f"{path}: the fingerprint does not belong to the content; the file was changed or damaged"
        )
    checkpoint = create_checkpoint(name, config)
    load_states(checkpoint, state, str(path))
    return Checkpoint(name, config, checkpoint.extractor, checkpoint.matcher, provenance)


def load_states(checkpoint: Checkpoint, state: Mapping[str, Tensor], source: str) -> None:
    """Fills a model with the weights `extractor.*` and `matcher.*`, all of them and no others.

    Raises:
        CheckpointError: names, shapes or dtypes differ; names the first few.
    """
    expected = _forms(_state_of(checkpoint.extractor, checkpoint.matcher))
    found = _forms(state)
    if expected != found:
        wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        lines = [
            f"{name}: {expected.get(name, 'none')} expected, {found.get(name, 'none')} found" for name in wrong[:5]
        ]
        raise CheckpointError(f"{source}: {len(wrong)} weights do not fit the config; " + "; ".join(lines))
    for prefix, module in (("extractor.", checkpoint.extractor), ("matcher.", checkpoint.matcher)):
        module.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})


def _read(path: Path) -> tuple[Mapping[str, str], dict[str, Tensor]]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (a safetensors file is no dict)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a safetensors file: {error}") from error
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(f"{path} has the format {metadata.get('format')!r}, expected {_FORMAT!r}")
    return metadata, state


def _state_of(extractor: FeatureExtractor, matcher: QueryAdaptiveConvolution) -> dict[str, Tensor]:
    state = {f"extractor.{name}": tensor for name, tensor in extractor.state_dict().items()}
    return state | {f"matcher.{name}": tensor for name, tensor in matcher.state_dict().items()}


def _forms(state: Mapping[str, Tensor]) -> dict[str, str]:
    return {name: f"{tuple(tensor.shape)} {tensor.dtype}" for name, tensor in state.items()}


def _fingerprint(state: Mapping[str, Tensor], config: ModelConfig) -> str:
    digest = hashlib.sha256(config.to_json().encode())
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()

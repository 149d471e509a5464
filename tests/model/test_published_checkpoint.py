"""Files of the authors' layout, made here with their names: the loaded model scores as their formula does."""

import copy
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from model.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from model.config import BackboneName
from model.published_checkpoint import load_published_checkpoint
from reference.published_matching import published_logit
from reference.query_adaptive_convolution import BatchNorm, Head

HEIGHT, WIDTH, LOCATIONS, CHANNELS = 96, 48, 18, 16


class PublishedNetwork(nn.Module):
    """The parameter names of the authors' network: all of torchvision's under `base`, and a neck."""

    def __init__(self, name: str, width: int, neck_kernel_size: int, neck_batch_norm: bool) -> None:
        super().__init__()
        self.base = torchvision.models.get_model(name, weights=None)
        self.neck_conv = nn.Conv2d(width, CHANNELS, neck_kernel_size, padding=neck_kernel_size // 2, bias=False)
        if neck_batch_norm:
            self.neck_bn = nn.BatchNorm2d(CHANNELS)

    def forward(self, pixels: Tensor) -> Tensor:
        for name, layer in self.base.named_children():
            pixels = layer(pixels)
            if name == "layer3":
                break
        features = self.neck_conv(pixels)
        return functional.normalize(self.neck_bn(features) if hasattr(self, "neck_bn") else features)


class PublishedCriterion(nn.Module):
    """The parameter names of the authors' loss; in later versions the last three stand below `matcher`."""

    def __init__(self, head_weights: int) -> None:
        super().__init__()
        self.register_buffer("class_memory", torch.zeros(7, CHANNELS, HEIGHT // 16, WIDTH // 16))
        self.register_buffer("valid_class", torch.zeros(7))
        self.bn = nn.BatchNorm1d(1)
        self.fc = nn.Linear(head_weights, 1)
        self.logit_bn = nn.BatchNorm1d(1)


def make_content(
    name: BackboneName = "resnet18",
    head_weights: int = 2 * LOCATIONS,
    neck_kernel_size: int = 3,
    neck_batch_norm: bool = True,
    prefixes: tuple[str, str] = ("", ""),
) -> tuple[dict[str, Any], PublishedNetwork, PublishedCriterion]:
    """What a file holds, with the modules that it was made from; the dicts are the caller's to change."""
    content, network, criterion = make_modules(name, head_weights, neck_kernel_size, neck_batch_norm, prefixes)
    own = {part: dict(value) if isinstance(value, dict) else value for part, value in content.items()}
    return own, network, criterion


@functools.cache
def make_modules(
    name: BackboneName, head_weights: int, neck_kernel_size: int, neck_batch_norm: bool, prefixes: tuple[str, str]
) -> tuple[dict[str, Any], PublishedNetwork, PublishedCriterion]:
    torch.manual_seed(0)
    network = PublishedNetwork(name, 1024 if name == "resnet50" else 256, neck_kernel_size, neck_batch_norm)
    criterion = PublishedCriterion(head_weights)
    with torch.no_grad():
        for norm, mean, variance in ((criterion.bn, 0.6, 0.03), (criterion.logit_bn, 0.2, 1.5)):
            norm.running_mean.fill_(mean)  # type: ignore[union-attr]
            norm.running_var.fill_(variance)  # type: ignore[union-attr]
            norm.weight.fill_(1.4)
            norm.bias.fill_(-0.3)
    optimizer = torch.optim.SGD([*network.parameters(), *criterion.parameters()], lr=0.01, momentum=0.9, nesterov=True)
    optimizer.zero_grad()
    criterion.fc(torch.ones(1, head_weights)).backward()
    optimizer.step()
    content = {
        "model": {prefixes[0] + key: value for key, value in network.state_dict().items()},
        "criterion": {prefixes[1] + key: value for key, value in criterion.state_dict().items()},
        "optim": optimizer.state_dict(),
        "epoch": 60,
    }
    return content, network.eval(), criterion.eval()


def write(content: object, folder: Path) -> Path:
    path = folder / "checkpoint.pth.tar"
    torch.save(content, path)
    return path


def head_of_loops(criterion: PublishedCriterion) -> Head:
    with torch.no_grad():
        norms = [
            BatchNorm(*(float(v) for v in (n.weight, n.bias, n.running_mean, n.running_var)), n.eps)  # type: ignore[arg-type]
            for n in (criterion.bn, criterion.logit_bn)
        ]
        return Head(norms[0], criterion.fc.weight.flatten().tolist(), float(criterion.fc.bias), norms[1])


@pytest.mark.parametrize("head_weights", [2 * LOCATIONS, LOCATIONS], ids=["2hw", "shared"])
@pytest.mark.parametrize(("neck_kernel_size", "neck_batch_norm"), [(3, True), (1, False)])
@pytest.mark.parametrize("prefixes", [("", ""), ("module.", "matcher.")])
@torch.no_grad()
def test_the_loaded_model_scores_as_the_authors_formula(
    tmp_path: Path, head_weights: int, neck_kernel_size: int, neck_batch_norm: bool, prefixes: tuple[str, str]
) -> None:
    with torch.enable_grad():
        made = make_content("resnet18", head_weights, neck_kernel_size, neck_batch_norm, prefixes)
    content, network, criterion = made

    loaded = load_published_checkpoint(write(content, tmp_path), HEIGHT, WIDTH)

    crops = torch.randint(256, (4, 3, HEIGHT, WIDTH), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    maps = loaded.extractor(crops)
    torch.testing.assert_close(maps, network(crops.float() / 255), rtol=0, atol=1e-6)
    logits = loaded.matcher(maps[:2], maps[2:]).numpy()
    arrays, head = maps.double().numpy(), head_of_loops(criterion)
    expected = np.array([[published_logit(query, gallery, head) for gallery in arrays[2:]] for query in arrays[:2]])
    assert expected.std() > 0
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@torch.no_grad()
def test_the_order_of_the_directions_matters(tmp_path: Path) -> None:
    with torch.enable_grad():
        content, _, criterion = make_content()
    criterion = copy.deepcopy(criterion)
    criterion.fc.weight[0, :LOCATIONS] = 1.0  # the gallery's direction in the authors' order
    criterion.fc.weight[0, LOCATIONS:] = 0.0
    content["criterion"] = criterion.state_dict()
    head = load_published_checkpoint(write(content, tmp_path), HEIGHT, WIDTH).matcher.head.fold()
    assert float(head.query_weights.abs().max()) == 0.0
    assert float(head.gallery_weights.min()) > 0.0


def test_a_bottleneck_network(tmp_path: Path) -> None:
    content, _, _ = make_content("resnet50")
    loaded = load_published_checkpoint(write(content, tmp_path), HEIGHT, WIDTH)
    assert loaded.config.backbone == "resnet50"
    assert loaded.config.final_layer == "layer3"


def test_config_and_provenance_say_where_it_comes_from(tmp_path: Path) -> None:
    content, _, _ = make_content(head_weights=LOCATIONS)
    loaded = load_published_checkpoint(write(content, tmp_path), HEIGHT, WIDTH)
    config = loaded.config
    assert (config.channels, config.neck_kernel_size, config.neck_batch_norm, config.shared_head) == (16, 3, True, True)
    assert (config.interpolation, config.input_mean, config.input_std) == ("bicubic", (0, 0, 0), (1, 1, 1))
    assert loaded.name == "checkpoint"
    assert loaded.provenance["file"] == "checkpoint.pth.tar"


def test_it_can_be_saved_as_a_checkpoint_of_ours(tmp_path: Path) -> None:
    content, _, _ = make_content()
    loaded = load_published_checkpoint(write(content, tmp_path), HEIGHT, WIDTH)
    save_checkpoint(loaded, tmp_path / "ours.safetensors")
    assert load_checkpoint(tmp_path / "ours.safetensors").fingerprint == loaded.fingerprint


def test_files_of_torch_s_older_format_load_too(tmp_path: Path) -> None:
    content, _, _ = make_content()
    path = tmp_path / "old.pth.tar"
    torch.save(content, path, _use_new_zipfile_serialization=False)
    assert load_published_checkpoint(path, HEIGHT, WIDTH).name == "old"


class Intruder:
    """What a hostile file would hold: unpickling it runs a command."""

    def __init__(self, traces: Path) -> None:
        self.traces = traces

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.traces),)


@pytest.mark.parametrize("new_format", [True, False])
def test_a_file_with_code_in_it_is_refused_and_not_run(tmp_path: Path, new_format: bool) -> None:
    content, _, _ = make_content()
    content["epoch"] = Intruder(tmp_path / "was-here")
    path = tmp_path / "hostile.pth.tar"
    torch.save(content, path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(CheckpointError, match="cannot be read as weights alone"):
        load_published_checkpoint(path, HEIGHT, WIDTH)
    assert not (tmp_path / "was-here").exists()


def rename_first_norm_to_ibn(content: dict[str, Any]) -> None:
    content["model"]["base.layer1.0.bn1.IN.weight"] = torch.ones(32)


def remove_neck(content: dict[str, Any]) -> None:
    del content["model"]["neck_conv.weight"]


def remove_head(content: dict[str, Any]) -> None:
    del content["criterion"]["fc.weight"]


def remove_a_weight(content: dict[str, Any]) -> None:
    del content["model"]["base.layer3.1.conv2.weight"]


def remove_the_criterion(content: dict[str, Any]) -> None:
    del content["criterion"]


def replace_the_model(content: dict[str, Any]) -> None:
    content["model"] = [1, 2, 3]


def replace_a_weight_by_a_number(content: dict[str, Any]) -> None:
    content["criterion"]["fc.weight"] = 3


def flatten_the_head(content: dict[str, Any]) -> None:
    content["criterion"]["fc.weight"] = torch.zeros(36)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (rename_first_norm_to_ibn, "IBN-Net"),
        (remove_neck, r"neck_conv\.weight"),
        (remove_head, r"fc\.weight"),
        (remove_a_weight, r"extractor\.backbone\.layer3\.1\.conv2\.weight"),
        (remove_the_criterion, "'model' and 'criterion'"),
        (replace_the_model, "'model' and 'criterion'"),
        (replace_a_weight_by_a_number, "'model' and 'criterion'"),
        (flatten_the_head, "not a ResNet with neck_conv and fc"),
    ],
)
def test_other_networks_are_refused(tmp_path: Path, damage: Callable[[dict[str, Any]], None], message: str) -> None:
    content, _, _ = make_content()
    damage(content)
    with pytest.raises(CheckpointError, match=message):
        load_published_checkpoint(write(content, tmp_path), HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("height", "width", "message"),
    [
        (384, 128, "its head has 36 weights, a map of 384×128 crops has 192 locations"),
        (100, 48, "input_height is 100, not a positive multiple"),
    ],
)
def test_a_wrong_input_size_is_refused(tmp_path: Path, height: int, width: int, message: str) -> None:
    content, _, _ = make_content()
    with pytest.raises(CheckpointError, match=message):
        load_published_checkpoint(write(content, tmp_path), height, width)


@pytest.mark.parametrize(
    "file_content", [b"", b"no checkpoint at all", b"PK\x03\x04 half an archive", b"junk\n", b"(lp0\n"]
)
def test_other_files_are_refused(tmp_path: Path, file_content: bytes) -> None:
    path = tmp_path / "notes.pth.tar"
    path.write_bytes(file_content)
    with pytest.raises(CheckpointError, match="cannot be read as weights alone"):
        load_published_checkpoint(path, HEIGHT, WIDTH)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_published_checkpoint(tmp_path / "missing.pth.tar")

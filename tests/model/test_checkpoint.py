"""Checkpoints: round trip, fingerprint, and every way in which a file can be wrong."""

import copy
import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from model.checkpoint import Checkpoint, CheckpointError, create_checkpoint, load_checkpoint, save_checkpoint
from model.config import ModelConfig
from reference.trained_head import train_head

CONFIG = ModelConfig(input_height=64, input_width=32, backbone="resnet18", final_layer="layer2", channels=16)
PROVENANCE = {"trained_on": "nothing", "epochs": 0, "rank_1": [0.5, 0.25], "σ": None}


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    made = replace(create_checkpoint("small", CONFIG), provenance=PROVENANCE)
    train_head(made.matcher.head, seed=1)
    return made


@pytest.fixture(scope="module")
def saved(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "small.safetensors"
    save_checkpoint(checkpoint, path)
    return path.read_bytes()


@pytest.fixture
def path(saved: bytes, tmp_path: Path) -> Path:
    own = tmp_path / "small.safetensors"
    own.write_bytes(saved)
    return own


def read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in list(file.keys())}


def state_of(checkpoint: Checkpoint) -> dict[str, Tensor]:
    return {**checkpoint.extractor.state_dict(prefix="extractor."), **checkpoint.matcher.state_dict(prefix="matcher.")}


def write_with_right_fingerprint(path: Path, change: Callable[[dict[str, Tensor]], Any]) -> None:
    """Changes the weights of a file and signs it again: only the strict loading is left to notice."""
    metadata, state = read(path)
    change(state)
    unsigned = path.with_suffix(".unsigned")
    save_file(state, unsigned, {**metadata, "fingerprint": fingerprint_of_state(state, metadata["config"])})
    unsigned.replace(path)


def fingerprint_of_state(state: Mapping[str, Tensor], config: str) -> str:
    digest = hashlib.sha256(config.encode())
    for name in sorted(state):
        digest.update(f"{name} {state[name].dtype} {tuple(state[name].shape)}".encode())
        digest.update(state[name].contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@torch.no_grad()
def test_round_trip_is_bit_identical(checkpoint: Checkpoint, path: Path) -> None:
    loaded = load_checkpoint(path)

    assert (loaded.name, loaded.config, loaded.provenance) == ("small", CONFIG, PROVENANCE)
    assert loaded.fingerprint == checkpoint.fingerprint
    before, after = state_of(checkpoint), state_of(loaded)
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    crops = torch.randint(256, (2, 3, 64, 32), generator=torch.Generator().manual_seed(0))
    maps = checkpoint.extractor(crops)
    assert torch.equal(loaded.extractor(crops), maps)
    assert torch.equal(loaded.matcher(maps, maps), checkpoint.matcher(maps, maps))


def test_a_loaded_model_is_in_inference_mode(path: Path) -> None:
    loaded = load_checkpoint(path)
    assert not any(module.training for model in (loaded.extractor, loaded.matcher) for module in model.modules())


def test_the_file_has_no_code_and_readable_metadata(path: Path, checkpoint: Checkpoint) -> None:
    metadata, _ = read(path)
    assert json.loads(metadata["config"])["backbone"] == "resnet18"
    assert metadata["fingerprint"] == checkpoint.fingerprint
    assert len(metadata["fingerprint"]) == 64


def test_the_fingerprint_is_stable(checkpoint: Checkpoint) -> None:
    assert checkpoint.fingerprint == checkpoint.fingerprint
    assert checkpoint.fingerprint == fingerprint_of_state(state_of(checkpoint), CONFIG.to_json())


def test_the_fingerprint_is_of_weights_and_config_alone(checkpoint: Checkpoint) -> None:
    assert replace(checkpoint, name="other", provenance={}).fingerprint == checkpoint.fingerprint


@torch.no_grad()
@pytest.mark.parametrize(
    "name", ["extractor.backbone.conv1.weight", "extractor.backbone.bn1.running_var", "matcher.head.fc.bias"]
)
def test_one_changed_number_changes_the_fingerprint(checkpoint: Checkpoint, name: str) -> None:
    changed = copy.deepcopy(checkpoint)
    state_of(changed)[name].view(-1)[0] += 1e-3
    assert changed.fingerprint != checkpoint.fingerprint


@pytest.mark.parametrize("change", [{"kernel_size": 3}, {"interpolation": "bicubic"}, {"input_mean": (0.0, 0.0, 0.0)}])
def test_a_changed_config_changes_the_fingerprint(checkpoint: Checkpoint, change: dict[str, Any]) -> None:
    assert replace(checkpoint, config=replace(CONFIG, **change)).fingerprint != checkpoint.fingerprint


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*missing\.safetensors"):
        load_checkpoint(tmp_path / "missing.safetensors")


def test_a_changed_weight_is_noticed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="fingerprint"):
        load_checkpoint(path)


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, 0.999])
def test_a_truncated_file_is_noticed(path: Path, kept: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    with pytest.raises(CheckpointError, match=path.name):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [b"this is no checkpoint\n" * 10, b"PK\x03\x04", bytes(range(256)) * 8])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    other = tmp_path / "notes.txt"
    other.write_bytes(content)
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load_checkpoint(other)


def test_safetensors_of_another_kind_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"format None, expected 'qaconv-checkpoint-1'"):
        load_checkpoint(tmp_path / "other.safetensors")


@pytest.mark.parametrize("missing", ["config", "provenance", "name"])
def test_missing_metadata_are_named(path: Path, missing: str) -> None:
    metadata, state = read(path)
    del metadata[missing]
    save_file(state, path, metadata)
    with pytest.raises(CheckpointError, match=missing):
        load_checkpoint(path)


@pytest.mark.parametrize("change", [{"attention_heads": 8}, {"channels": "many"}, {"kernel_size": 2}, {"input_std": 1}])
def test_a_config_with_unknown_fields_or_values_is_refused(path: Path, change: dict[str, Any]) -> None:
    metadata, state = read(path)
    metadata["config"] = json.dumps(json.loads(metadata["config"]) | change)
    save_file(state, path, metadata)
    with pytest.raises(CheckpointError, match="metadata is damaged"):
        load_checkpoint(path)


def test_another_valid_config_does_not_belong_to_the_weights(path: Path) -> None:
    metadata, state = read(path)
    metadata["config"] = replace(CONFIG, kernel_size=3).to_json()
    save_file(state, path, metadata)
    with pytest.raises(CheckpointError, match="fingerprint"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.pop("matcher.head.fc.weight"),
            r"matcher\.head\.fc\.weight: \(1, 64\) torch\.float32 expected, none found",
        ),
        (lambda state: state.update(intruder=torch.zeros(3)), r"intruder: none expected, \(3,\) torch\.float32 found"),
        (
            lambda state: state.update({"extractor.neck.convolution.weight": torch.zeros(16, 128, 3, 3)}),
            r"extractor\.neck\.convolution\.weight: \(16, 128, 1, 1\) .* expected, \(16, 128, 3, 3\) .* found",
        ),
        (
            lambda state: state.update({"matcher.head.fc.bias": torch.zeros(1).double()}),
            r"matcher\.head\.fc\.bias: \(1,\) torch\.float32 expected, \(1,\) torch\.float64 found",
        ),
    ],
    ids=["missing", "extra", "wrong shape", "wrong dtype"],
)
def test_weights_that_do_not_fit_are_named(
    path: Path, change: Callable[[dict[str, Tensor]], Any], message: str
) -> None:
    write_with_right_fingerprint(path, change)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


def test_a_save_that_fails_leaves_the_old_file(path: Path, checkpoint: Checkpoint) -> None:
    before = path.read_bytes()
    path.with_name(path.name + ".unfinished").mkdir()  # where the new file would be written
    with pytest.raises(Exception, match="directory"):
        save_checkpoint(replace(checkpoint, name="new"), path)
    assert path.read_bytes() == before


def test_saving_replaces_and_leaves_nothing_else(path: Path, checkpoint: Checkpoint) -> None:
    save_checkpoint(replace(checkpoint, name="new"), path)
    assert load_checkpoint(path).name == "new"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_the_file_may_be_read_by_whom_the_umask_says(
    tmp_path: Path, checkpoint: Checkpoint, umask: int, mode: int
) -> None:
    path = tmp_path / "small.safetensors"
    before = os.umask(umask)
    try:
        save_checkpoint(checkpoint, path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_the_old_file_stays_until_the_new_one_is_on_the_disk(
    path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, unfinished = path.read_bytes(), path.with_name(path.name + ".unfinished")

    def fail(descriptor: int) -> None:
        assert os.fstat(descriptor).st_ino == unfinished.stat().st_ino
        assert load_checkpoint(unfinished).name == "new"  # whole, not still in a buffer of this process
        raise OSError("the disk is gone")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        save_checkpoint(replace(checkpoint, name="new"), path)
    assert path.read_bytes() == before


def test_a_checkpoint_may_be_copied_and_renamed(path: Path, checkpoint: Checkpoint) -> None:
    moved = path.rename(path.with_name("moved.safetensors"))
    assert load_checkpoint(moved).fingerprint == checkpoint.fingerprint

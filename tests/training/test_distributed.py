import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.augmentation.settings import Augmentation, Colors, Covering, Placing
from training.distributed import joined_processes, num_local_processes, own_part
from training.learning_rate import WarmupCosine
from training.objectives.class_memory_matching import ClassMemoryMatching
from training.objectives.classification import Classification
from training.objectives.pairwise_matching import PairwiseMatching
from training.recipe import Recipe
from training.step_report import StepReport
from training.trainer import train
from training_run import small_crops, small_recipe

UNCHANGED = Augmentation(
    Placing(flip_share=0, shift=0, zoom=0),
    Colors(gain=0, gamma=0, contrast=0, saturation=0, cast=0),
    covering=Covering(block_share=0),
)
OBJECTIVES = {
    "pairwise": PairwiseMatching(triplet_margin=2.0),
    "memory": ClassMemoryMatching(classes_per_step=5),
    "softmax": Classification(centre_weight=0.01),
}


def joint_recipe(name: str) -> Recipe:
    """Without augmentation, whose random numbers are each process's own, and in float32, to compare closely."""
    recipe = small_recipe(OBJECTIVES[name], epochs=1)
    # So small a rate that the second step's gradients are those of the same weights.
    stage = replace(recipe.stages[1], steps_per_epoch=2, schedule=WarmupCosine(1e-4, 1))
    return replace(recipe, stages=(stage,), augmentation=UNCHANGED, precision="float32", device="cpu")


def weights_of(model: Checkpoint) -> dict[str, Tensor]:
    return {**model.extractor.state_dict(), **model.matcher.state_dict()}


def test_two_processes_do_what_one_does_with_the_joined_batch(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    shared = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    processes = [
        subprocess.Popen([sys.executable, __file__, str(tmp_path)], env=shared | {"RANK": str(rank), "LOCAL_RANK": "0"})
        for rank in range(2)
    ]
    assert [process.wait(240) for process in processes] == [0, 0]
    began = weights_of(train_nothing(joint_recipe("pairwise")))
    for name in OBJECTIVES:
        losses: list[float] = []
        alone = weights_of(train(joint_recipe(name), small_crops(), lambda report: losses.append(report.loss)))  # noqa: B023
        first, second = (weights_of(load_checkpoint(tmp_path / f"{name}-{rank}.safetensors")) for rank in range(2))
        assert torch.load(tmp_path / f"{name}.pt") == pytest.approx(losses, rel=1e-3)
        for key, weight in alone.items():
            torch.testing.assert_close(first[key], second[key], atol=0, rtol=0)
            if "running_" in key or not weight.is_floating_point():
                torch.testing.assert_close(first[key], weight, atol=1e-5, rtol=1e-4)
                continue
            # The way of two steps is their gradients. Sums are in another order; a batch normalisation over few
            # values makes more of that.
            error, way = (first[key] - weight).norm(), (weight - began[key]).norm()
            assert error <= 0.01 * way + 1e-7, (name, key)


def test_a_batch_that_cannot_be_divided_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.distributed.num_joined_processes", lambda: 3)
    with pytest.raises(ValueError, match="a batch of 8 crops cannot be divided among 3 processes"):
        own_part(torch.arange(8))


def test_the_processes_of_a_machine_are_counted_as_torchrun_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert num_local_processes() == 4
    monkeypatch.delenv("LOCAL_WORLD_SIZE")
    assert num_local_processes() == 1


def train_nothing(recipe: Recipe) -> Checkpoint:
    """The model before its first step."""
    return train(replace(recipe, optimizer=replace(recipe.optimizer, weight_decay=0.0), stages=(
        replace(recipe.stages[0], schedule=replace(recipe.stages[0].schedule, learning_rate=0.0)),
    )), small_crops())  # fmt: skip


def train_jointly(folder: Path) -> None:
    torch.set_num_threads(1)
    rank = os.environ["RANK"]
    with joined_processes(torch.device("cpu")):
        for name in OBJECTIVES:
            reports: list[StepReport] = []
            model = train(joint_recipe(name), small_crops(), reports.append)
            save_checkpoint(model, folder / f"{name}-{rank}.safetensors")
            assert bool(reports) == (rank == "0")
            if reports:
                torch.save([report.loss for report in reports], folder / f"{name}.pt")


if __name__ == "__main__":
    train_jointly(Path(sys.argv[1]))

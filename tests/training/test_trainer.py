import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from model.checkpoint import load_checkpoint, save_checkpoint
from training.objectives.build_objective import ObjectiveSettings
from training.objectives.class_memory_matching import ClassMemoryMatching
from training.objectives.classification import Classification
from training.objectives.pairwise_matching import PairwiseMatching
from training.sampling.balanced import BalancedSampling
from training.sampling.graph import GraphSampling
from training.sampling.shuffled import ShuffledSampling
from training.step_report import StepReport
from training.trainer import NonFiniteLoss, train
from training.training_state import TrainingStateError
from training_run import small_crops, small_recipe

OBJECTIVES: dict[str, ObjectiveSettings] = {
    "pairwise": PairwiseMatching(triplet_margin=2.0),
    "memory": ClassMemoryMatching(),
    "memory from scratch": ClassMemoryMatching(takes_batch="before", classes_per_step=6),
    "moving average": ClassMemoryMatching(momentum=0.5),
    "pooled memory": ClassMemoryMatching(compares="pooled_features"),
    "softmax": Classification(),
    "arc": Classification(loss="arc", arc_margin=0.1, arc_scale=10.0),
    "centre": Classification(centre_weight=0.003),
}


def objective_loss(report: StepReport) -> float:
    return sum(value for name, value in report.parts if name != "contrastive")


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_every_objective_learns_and_its_checkpoint_loads(name: str, tmp_path: Path) -> None:
    reports: list[StepReport] = []
    recipe = small_recipe(OBJECTIVES[name], epochs=1, steps=24)
    recipe = replace(
        recipe, stages=recipe.stages[:1], model_config=replace(recipe.model_config, input_height=32, input_width=16)
    )
    model = train(recipe, small_crops(), reports.append)
    first, last = reports[2:8], reports[-6:]
    assert sum(dict(r.parts)["contrastive"] for r in last) < sum(dict(r.parts)["contrastive"] for r in first)
    # Of the objective alone: the contrastive loss would carry a total that learns nothing else.
    assert sum(objective_loss(r) for r in last) < 0.95 * sum(objective_loss(r) for r in first)
    assert sum(r.accuracy for r in last) > sum(r.accuracy for r in first)
    assert all(0 <= r.accuracy <= 1 and r.crops_per_second > 0 for r in reports)
    assert [r.step for r in reports] == list(range(1, 25))
    assert not model.extractor.training
    assert not model.matcher.training
    save_checkpoint(model, tmp_path / "small.safetensors")
    assert load_checkpoint(tmp_path / "small.safetensors").fingerprint == model.fingerprint


@pytest.mark.parametrize(
    "sampling", [BalancedSampling(4, 2), GraphSampling(4, 2, persons_per_graph=6), ShuffledSampling(8)]
)
def test_a_run_that_goes_on_after_any_epoch_ends_in_the_same_weights(
    sampling: BalancedSampling | GraphSampling | ShuffledSampling, tmp_path: Path
) -> None:
    recipe = small_recipe(ClassMemoryMatching(), sampling)
    whole = train(recipe, small_crops())

    class Stopped(Exception):  # noqa: N818 (it is no error)
        pass

    for epochs_before in (1, 2, 3):
        path = tmp_path / f"{epochs_before}.pt"

        def stop_after(report: StepReport) -> None:
            # In the middle of the next epoch.
            if report.step == 5 * epochs_before + 3:  # noqa: B023 (called within this round)
                raise Stopped

        if epochs_before < 3:
            with pytest.raises(Stopped):
                train(recipe, small_crops(), stop_after, state_path=path)
        else:
            train(recipe, small_crops(), state_path=path)
        steps: list[int] = []
        resumed = train(recipe, small_crops(), lambda report: steps.append(report.step), state_path=path)  # noqa: B023
        assert steps == list(range(5 * epochs_before + 1, 16))
        assert resumed.fingerprint == whole.fingerprint


def test_a_killed_run_goes_on_and_ends_in_the_same_weights(tmp_path: Path) -> None:
    whole = train(small_recipe(), small_crops())
    state, command = tmp_path / "state.pt", [sys.executable, __file__, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    killed = subprocess.run([*command, "kill"], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert state.exists()
    assert not (tmp_path / "end.safetensors").exists()
    subprocess.run([*command, "finish"], env=environment, check=True)
    assert load_checkpoint(tmp_path / "end.safetensors").fingerprint == whole.fingerprint


def test_two_hundred_steps_are_the_same_to_the_last_bit() -> None:
    recipe = small_recipe(sampling=GraphSampling(4, 2), epochs=4, steps=40)
    # Stages of 160 and 40 steps.
    losses: list[list[float]] = [[], []]
    models = [train(recipe, small_crops(), lambda report, kept=kept: kept.append(report.loss)) for kept in losses]
    assert len(losses[0]) == 200
    assert losses[0] == losses[1]
    assert models[0].fingerprint == models[1].fingerprint


def test_a_state_of_another_recipe_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    train(small_recipe(), small_crops(), state_path=path)
    with pytest.raises(TrainingStateError, match=r"left by another recipe.*seed=1"):
        train(replace(small_recipe(), seed=2), small_crops(), state_path=path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(TrainingStateError, match="no training state, or a damaged one"):
        train(small_recipe(), small_crops(), state_path=path)


def test_a_loss_that_is_no_number_stops_with_epoch_batch_and_crops() -> None:
    class BrokenCrops:
        persons = small_crops().persons
        num_people, num_crops = 8, 32
        steps = 0

        def read(self, chosen: Tensor) -> Tensor:
            pixels = small_crops().read(chosen).float()
            return pixels * np.nan if self.steps == 7 else pixels

        def describe(self, chosen: Tensor) -> list[str]:
            return [f"<{number}>" for number in chosen.tolist()]

        def go_to_step(self, step: int) -> None:
            self.steps = step

    with pytest.raises(NonFiniteLoss, match=r"the loss is nan in stage 0, epoch 1, batch 2.*<[0-9]+>, <[0-9]+>"):
        train(small_recipe(), BrokenCrops())


def test_precisions_that_a_device_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="'float16', which trains on CUDA only"):
        train(replace(small_recipe(), precision="float16", device="cpu"), small_crops())
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="finds no CUDA device"):
            train(replace(small_recipe(), device="cuda"), small_crops())


def run_in_a_process(folder: Path, what: str) -> None:
    def kill(report: StepReport) -> None:
        if what == "kill" and report.step == 8:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    model = train(small_recipe(), small_crops(), kill, state_path=folder / "state.pt")
    save_checkpoint(model, folder / "end.safetensors")


if __name__ == "__main__":
    run_in_a_process(Path(sys.argv[1]), sys.argv[2])

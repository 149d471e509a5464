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

from model.checkpoint import Checkpoint, create_checkpoint, load_checkpoint, save_checkpoint
from model.config import ModelConfig
from training.objectives.build_objective import ObjectiveSettings
from training.objectives.class_memory_matching import ClassMemoryMatching
from training.objectives.classification import Classification
from training.objectives.objective import BatchLoss
from training.objectives.pairwise_matching import PairwiseMatching, PairwiseMatchingObjective
from training.precision import TrainingPrecision
from training.sampling.balanced import BalancedSampling
from training.sampling.graph import GraphSampling
from training.sampling.shuffled import ShuffledSampling
from training.sources.training_crops import FixedCrops
from training.step_report import StepReport
from training.trainer import TrainingDiverged, train
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
    # None where the paper's memory does not have the people of the batch yet: at first it is empty.
    is_empty = isinstance(recipe.objective, ClassMemoryMatching) and recipe.objective.takes_batch == "after"
    assert (reports[0].accuracy is None) == is_empty
    known = [[r.accuracy for r in part if r.accuracy is not None] for part in (first, last, reports)]
    assert np.mean(known[1]) > np.mean(known[0])
    assert all(0 <= accuracy <= 1 for accuracy in known[2])
    assert all(r.crops_per_second > 0 for r in reports[1:])
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


def test_a_state_of_other_crops_processes_or_format_is_refused_with_both_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.pt"
    train(small_recipe(), small_crops(), state_path=path)
    with monkeypatch.context() as changed:
        changed.setattr(FixedCrops, "fingerprint", lambda crops: "31 crops of 7 people (0)")
        told = r"on 32 crops of 8 people \([0-9a-f]{12}\), and there are 31 crops of 7 people \(0\) now"
        with pytest.raises(TrainingStateError, match=told):
            train(small_recipe(), small_crops(), state_path=path)
    with monkeypatch.context() as changed:
        changed.setattr("training.training_state.num_joined_processes", lambda: 4)
        with pytest.raises(TrainingStateError, match="left by 1 joined processes, and now there are 4: start as many"):
            train(small_recipe(), small_crops(), state_path=path)
    content = torch.load(path, weights_only=True)
    torch.save(content | {"format": "qaconv-training-state-1"}, path)
    with pytest.raises(TrainingStateError, match="'qaconv-training-state-2', but of 'qaconv-training-state-1': finish"):
        train(small_recipe(), small_crops(), state_path=path)


def test_a_run_tells_the_seconds_of_all_the_times_that_it_was_started(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    whole = train(small_recipe(), small_crops(), state_path=path)
    assert 0 <= whole.provenance["training_seconds"] < 500
    content = torch.load(path, weights_only=True)
    torch.save(content | {"seconds": content["seconds"] + 1000.0}, path)
    resumed = train(small_recipe(), small_crops(), state_path=path)
    assert 1000 <= resumed.provenance["training_seconds"] < 1500


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

        def fingerprint(self) -> str:
            return "broken crops"

        def go_to_step(self, step: int) -> None:
            self.steps = step

    with pytest.raises(TrainingDiverged, match=r"the loss is nan in stage 0, epoch 1, batch 2.*<[0-9]+>, <[0-9]+>"):
        train(small_recipe(), BrokenCrops())


@pytest.mark.parametrize("limit", [0.0, 10.0])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_gradient_that_is_no_number_stops_with_epoch_batch_and_crops(
    limit: float, precision: TrainingPrecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FiniteWithoutDerivative(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, loss: Tensor) -> Tensor:
            return loss.clone()

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:
            return gradient * torch.inf

    steps: list[StepReport] = []
    objective_forward = PairwiseMatchingObjective.forward

    def forward(*arguments: object) -> BatchLoss:
        loss = objective_forward(*arguments)  # type: ignore[arg-type]
        return loss._replace(total=FiniteWithoutDerivative.apply(loss.total)) if len(steps) >= 7 else loss

    monkeypatch.setattr(PairwiseMatchingObjective, "forward", forward)
    recipe = small_recipe()
    recipe = replace(
        recipe, precision=precision, optimizer=replace(recipe.optimizer, largest_gradient_norm=limit), device="cpu"
    )
    told = r"the gradients' norm is (inf|nan) in stage 0, epoch 1, batch 2.*pattern [0-9], crop [0-9], pattern"
    with pytest.raises(TrainingDiverged, match=told):
        train(recipe, small_crops(), steps.append)
    assert len(steps) == 7
    assert all(np.isfinite(report.loss) for report in steps)

    # A scaler leaves such a step out and halves its scale, here from 2: the second one is the last.
    steps.clear()
    monkeypatch.setattr(
        "training.trainer.gradient_scaler", lambda precision, device: torch.amp.GradScaler("cpu", init_scale=2.0)
    )
    with pytest.raises(TrainingDiverged, match="batch 3"):
        train(recipe, small_crops(), steps.append)
    assert len(steps) == 8


def test_where_nobody_has_a_right_partner_there_is_no_accuracy() -> None:
    recipe = small_recipe(sampling=BalancedSampling(4, 1), epochs=1, steps=2)
    reports: list[StepReport] = []
    train(replace(recipe, stages=recipe.stages[1:]), small_crops(), reports.append)
    assert [report.accuracy for report in reports] == [None] * 2


def test_frozen_statistics_stay_and_weights_are_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    began: dict[str, Tensor] = {}

    def create_with_statistics(name: str, config: ModelConfig, imagenet_weights: bool) -> Checkpoint:
        assert imagenet_weights
        model = create_checkpoint(name, config)
        model.extractor.backbone.get_submodule("bn1").running_var.fill_(3.0)
        began.update({key: value.clone() for key, value in model.extractor.state_dict().items()})
        return model

    monkeypatch.setattr("training.starting_weights.create_checkpoint", create_with_statistics)
    recipe = replace(small_recipe(epochs=1, steps=2), imagenet_weights=True, freezes_statistics=True)
    ended = train(recipe, small_crops()).extractor.state_dict()
    for name, value in began.items():
        is_statistic = "running_" in name or "num_batches" in name
        assert torch.equal(value, ended[name]) == is_statistic, name


def test_frozen_parts_stay_as_they_began_through_stages_and_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    began: dict[str, Tensor] = {}

    def create(name: str, config: ModelConfig, imagenet_weights: bool) -> Checkpoint:
        model = create_checkpoint(name, config)
        began.update({key: value.clone() for key, value in model.extractor.state_dict().items()})
        return model

    monkeypatch.setattr("training.starting_weights.create_checkpoint", create)
    # Graphs of people run the network in inference mode between steps.
    recipe = small_recipe(sampling=GraphSampling(4, 2, batches_per_graph=1), epochs=1, steps=2)
    recipe = replace(
        recipe,
        model_config=replace(recipe.model_config, backbone="efficientnet_lite0"),
        imagenet_weights=True,
        frozen_parts=2,
    )
    ended = train(recipe, small_crops()).extractor.state_dict()
    changed = {name.split(".")[1] for name, value in began.items() if not torch.equal(value, ended[name])}
    assert changed == {"stage2", "stage3", "convolution", "batch_norm"}


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

"""A training run between two epochs: all that must be the same for the rest of it to be the same.

Random numbers are not among it: every epoch has generators of its own, seeded by the recipe's seed and its number.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from model.checkpoint import Checkpoint
from training.distributed import num_joined_processes
from training.objectives.objective import Objective
from training.recipe import Recipe

_FORMAT = "qaconv-training-state-2"


class TrainingStateError(ValueError):
    """A file that is no training state, or not of this run."""


@dataclass(slots=True)
class TrainingState:
    """What epochs read and change.

    Attributes:
        stage: number of the stage that runs, or is to run.
        epoch: how many of its epochs are over.
        step: how many steps the whole run has made.
        model: in training mode.
        network: runs the model's extractor forward; see `parallel_network`.
        objective: of this stage.
        optimizer: of the model and the objective.
        scaler: of the loss; see `gradient_scaler`.
        began: what `time.monotonic` would have told at the run's first step, had it never been stopped.
    """

    stage: int
    epoch: int
    step: int
    model: Checkpoint
    network: torch.nn.Module
    objective: Objective
    optimizer: torch.optim.SGD
    scaler: torch.amp.GradScaler
    began: float


@dataclass(frozen=True, slots=True)
class SavedState:
    """What was read of a file; see `restore`.

    Attributes:
        stage, epoch, step: see `TrainingState`.
        seconds: that were spent on it, in all the times that the run was started.
        provenance: of the model.
    """

    stage: int
    epoch: int
    step: int
    seconds: float
    provenance: Mapping[str, Any]
    content: dict[str, Any]


def save_training_state(state: TrainingState, recipe: Recipe, crops: str, path: Path) -> None:
    """Write a state between two epochs; a crash or a loss of power leaves the file that was there before, or none.

    `crops` is the fingerprint of what is trained on.

    Raises:
        OSError: the file cannot be written.
    """
    content = {
        "format": _FORMAT,
        "recipe": repr(recipe),
        "crops": crops,
        "processes": num_joined_processes(),
        "place": [state.stage, state.epoch, state.step],
        "seconds": time.monotonic() - state.began,
        "provenance": dict(state.model.provenance),
        "scaler": state.scaler.state_dict(),
        **{name: part.state_dict() for name, part in _parts(state).items()},
    }
    unfinished = path.with_name(path.name + ".unfinished")
    with unfinished.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def read_training_state(recipe: Recipe, crops: str, path: Path) -> SavedState:
    """Read a state that this recipe left, on crops of this fingerprint and in as many joined processes as now.

    Raises:
        TrainingStateError: the file is no training state, or the rest of its run would not be what it would have been.
        OSError: it cannot be read.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # Bytes that are no pickle raise whatever they spell.
        raise TrainingStateError(f"{path} is no training state, or a damaged one: {error}") from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != _FORMAT:
        raise TrainingStateError(
            f"{path} is no training state of the format {_FORMAT!r}, but of {found!r}: finish the run with the version "
            "that began it, or begin anew in another folder"
        )
    _check_run(content, recipe, crops, path)
    stage, epoch, step = content["place"]
    return SavedState(stage, epoch, step, content["seconds"], content["provenance"], content)


def restore(saved: SavedState, state: TrainingState) -> None:
    """Fill a state that has just begun the stage of the saved one."""
    assert state.stage == saved.stage
    for name, part in _parts(state).items():
        part.load_state_dict(saved.content[name])
    state.scaler.load_state_dict(saved.content["scaler"])
    state.epoch, state.step = saved.epoch, saved.step


def _check_run(content: dict[str, Any], recipe: Recipe, crops: str, path: Path) -> None:
    if content["recipe"] != repr(recipe):
        raise TrainingStateError(
            f"{path} was left by another recipe, or by this one with other settings: give the same, or begin anew in "
            f"another folder. It was {content['recipe']}"
        )
    if content["crops"] != crops:
        raise TrainingStateError(
            f"{path} was left by a run on {content['crops']}, and there are {crops} now: give the same data, or begin "
            "anew in another folder"
        )
    processes = num_joined_processes()
    if content["processes"] != processes:
        raise TrainingStateError(
            f"{path} was left by {content['processes']} joined processes, and now there are {processes}: start as many "
            "(torchrun --nproc-per-node), or begin anew in another folder"
        )


def _parts(state: TrainingState) -> dict[str, torch.nn.Module | torch.optim.Optimizer]:
    return {
        "extractor": state.model.extractor,
        "matcher": state.model.matcher,
        "objective": state.objective,
        "optimizer": state.optimizer,
    }

"""Synthetic people rendered while training goes on, so that no rendering is seen for long.

A pool of people is kept, each with several crops. A *task* renders one person anew: new crops in place of the oldest
person's. What task number t renders depends on the seed and t alone, whoever renders it and when.
"""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from training.distributed import num_joined_processes
from training.ranges import check_range
from training.sources.drawn_networks import OnProgress
from training.sources.training_crops import check_crop_size

# (seed, person, camera, random) to uint8 [h, w, 3] of any size.
RenderCrop = Callable[[int, int, int, np.random.Generator], npt.NDArray[np.uint8]]
# Tasks that wait for a process or for the trainer, for each process: enough that none is ever idle.
_TASKS_AHEAD = 8
# Apart from the streams of a network of the same seed, which are numbered from 1.
_TASK_STREAM = 1000


@dataclass(frozen=True, slots=True)
class FreshRenderings:
    """A pool of rendered people that is renewed continuously.

    Attributes:
        seed: of people, cameras and renderings.
        people_in_pool: how many people there are at a time.
        crops_per_person: of each, in different cameras where there are enough.
        num_cameras: that people walk past at a time.
        people_per_new_camera: after so many people a new camera takes the place of the oldest; 0 for never. A camera's
            scene takes longer to draw than a crop.
        brings_new_people: somebody new takes the place of the oldest person in the pool; else the same people are
            rendered anew, which an objective with classes needs.
        people_per_step: how many people at most are renewed after each step.
        waits_for_renderings: a step waits for its renderings, and a run is the same each time; else what is not
            ready comes later, and no run is quite like another. Joined processes wait in any case: each has a pool
            of its own, and a number must show the same person in all.
        num_processes: that render beside the trainer; 0 renders in the trainer itself, which then always waits.
        crop_height, crop_width: size at which crops are kept in memory.
    """

    seed: int = 100
    people_in_pool: int = 1500
    crops_per_person: int = 6
    num_cameras: int = 48
    people_per_new_camera: int = 30
    brings_new_people: bool = True
    people_per_step: int = 6
    waits_for_renderings: bool = False
    num_processes: int = 1
    crop_height: int = 256
    crop_width: int = 96

    def __post_init__(self) -> None:
        check_crop_size(self.crop_height, self.crop_width)
        check_range(self, "people_in_pool", "crops_per_person", "num_cameras", least=1)
        check_range(self, "seed", "people_per_new_camera", "people_per_step", "num_processes", least=0)


class FreshCrops:
    """The pool. Close it to end its processes."""

    def __init__(self, source: FreshRenderings, render: RenderCrop, on_progress: OnProgress) -> None:
        self._source = source
        self._render = partial(render_person, source, render)
        shape = (source.people_in_pool, source.crops_per_person, 3, source.crop_height, source.crop_width)
        self._pixels = torch.empty(shape, dtype=torch.uint8)
        self.persons = torch.arange(source.people_in_pool).repeat_interleave(source.crops_per_person)
        # The next task whose result goes into the pool; the results of earlier ones are there, or were.
        self._next_task = 0
        self._is_full = False
        self._on_progress = on_progress
        self._waiting: deque[Future[npt.NDArray[np.uint8]]] = deque()
        self._processes = _start_processes(source.num_processes)

    @property
    def num_people(self) -> int:
        """See `TrainingCrops`."""
        return self._next_task if self._source.brings_new_people else self._source.people_in_pool

    @property
    def num_crops(self) -> int:
        """See `TrainingCrops`."""
        return self._next_task * self._source.crops_per_person

    def go_to_step(self, step: int) -> None:
        """See `TrainingCrops`. The first time it fills the pool, later it renews it.

        A run that goes on later has the pool of a run that waited for its renderings.
        """
        size = self._source.people_in_pool
        target = size + step * self._source.people_per_step
        if not self._is_full:
            self._next_task = target - size
            for done in range(size):
                self._take_one()
                self._on_progress("rendering people", done + 1, size)
            self._is_full = True
        waits = self._source.waits_for_renderings or self._processes is None or num_joined_processes() > 1
        while self._next_task < target and (waits or self._next_is_ready()):
            self._take_one()

    def read(self, chosen: Tensor) -> Tensor:
        """See `TrainingCrops`."""
        return self._pixels.flatten(0, 1)[chosen]

    def describe(self, chosen: Tensor) -> list[str]:
        """See `TrainingCrops`."""
        return [self._describe_crop(number) for number in chosen.tolist()]

    def fingerprint(self) -> str:
        """Always the same: what is rendered is in the recipe."""
        return "renderings"

    def close(self) -> None:
        """End the processes; what they were rendering is lost."""
        if self._processes is not None:
            self._processes.shutdown(wait=True, cancel_futures=True)

    def _describe_crop(self, number: int) -> str:
        slot, crop = divmod(number, self._source.crops_per_person)
        size = self._source.people_in_pool
        rounds = (self._next_task - 1 - slot) // size
        return f"rendering {crop} of task {slot + rounds * size} of seed {self._source.seed}"

    def _take_one(self) -> None:
        """The next task's renderings, in place of the oldest."""
        if self._processes is None:
            rendered = self._render(self._next_task)
        else:
            self._order_ahead()
            rendered = self._waiting.popleft().result()
        self._pixels[self._next_task % self._source.people_in_pool] = torch.from_numpy(rendered)
        self._next_task += 1

    def _next_is_ready(self) -> bool:
        self._order_ahead()
        return self._waiting[0].done()

    def _order_ahead(self) -> None:
        assert self._processes is not None
        while len(self._waiting) < _TASKS_AHEAD * self._source.num_processes:
            self._waiting.append(self._processes.submit(self._render, self._next_task + len(self._waiting)))


def render_person(source: FreshRenderings, render: RenderCrop, task: int) -> npt.NDArray[np.uint8]:
    """The crops of one task, uint8 [crops_per_person, 3, crop_height, crop_width]."""
    random = np.random.default_rng(np.random.SeedSequence([source.seed, _TASK_STREAM, task]))
    person = task if source.brings_new_people else task % source.people_in_pool
    cameras = random.permutation(np.resize(np.arange(source.num_cameras), _at_least(source)))
    cameras += task // source.people_per_new_camera if source.people_per_new_camera else 0
    size = (source.crop_width, source.crop_height)
    crops = []
    for camera in cameras[: source.crops_per_person].tolist():
        image = Image.fromarray(render(source.seed, person, camera, random))
        crops.append(np.asarray(image.resize(size, Image.Resampling.BILINEAR)).transpose(2, 0, 1))
    return np.stack(crops)


def _at_least(source: FreshRenderings) -> int:
    """Every camera equally often, and at least a person's crops."""
    rounds = -(-source.crops_per_person // source.num_cameras)
    return rounds * source.num_cameras


def _start_processes(num_processes: int) -> ProcessPoolExecutor | None:
    if num_processes == 0:
        return None
    # Not fork: the parent may already run PyTorch's threads.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(num_processes, mp_context=context, initializer=_end_with_the_trainer)


def _end_with_the_trainer() -> None:
    """A process of the pool waits for its next task for ever when the trainer is killed: each watches for that."""
    trainer = multiprocessing.parent_process()
    assert trainer is not None

    def watch() -> None:
        trainer.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

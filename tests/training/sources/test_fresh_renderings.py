import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import pytest
import torch

from training.sources.fresh_renderings import FreshCrops, FreshRenderings, render_person
from training.synthetic.crop import render_fresh_crop

SOURCE = FreshRenderings(
    seed=3,
    people_in_pool=4,
    crops_per_person=3,
    num_cameras=5,
    people_per_new_camera=0,
    people_per_step=2,
    waits_for_renderings=True,
    num_processes=0,
    crop_height=8,
    crop_width=4,
)


def render_labels(seed: int, person: int, camera: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A crop that tells who it shows, where, and a random value that no other rendering is likely to have."""
    picture = np.empty((16, 8, 3), np.uint8)
    picture[:] = (person, camera, random.integers(256))
    assert seed == 3
    return picture


def silent(_what: str, _done: int, _total: int) -> None:
    pass


def contents(crops: FreshCrops) -> torch.Tensor:
    """Person, camera and random value of every crop of the pool: [n, 3]."""
    return crops.read(torch.arange(12))[:, :, 0, 0]


def test_the_oldest_people_are_replaced_by_new_ones() -> None:
    told: list[tuple[int, int]] = []
    crops = FreshCrops(SOURCE, render_labels, lambda _what, done, total: told.append((done, total)))
    crops.go_to_step(0)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert crops.persons.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    first = contents(crops)
    assert first[:, 0].tolist() == crops.persons.tolist()
    crops.go_to_step(1)
    second = contents(crops)
    assert second[:, 0].tolist() == [4, 4, 4, 5, 5, 5, 2, 2, 2, 3, 3, 3]
    assert torch.equal(first[6:], second[6:])
    assert (crops.num_people, crops.num_crops) == (6, 18)
    for person in range(4):
        assert len(set(second[person * 3 : person * 3 + 3, 1].tolist())) == 3  # of five cameras, three
    assert crops.describe(torch.tensor([1, 6])) == [
        "rendering 1 of task 4 of seed 3",
        "rendering 0 of task 2 of seed 3",
    ]


def test_the_same_people_can_be_rendered_anew() -> None:
    crops = FreshCrops(replace(SOURCE, brings_new_people=False), render_labels, silent)
    crops.go_to_step(0)
    first = contents(crops)
    crops.go_to_step(2)
    second = contents(crops)
    assert torch.equal(first[:, 0], second[:, 0])
    assert not torch.equal(first[:, 2], second[:, 2])
    assert crops.num_people == 4


@pytest.mark.parametrize("step", [1, 3, 10])
def test_a_run_that_goes_on_at_a_step_has_the_pool_of_that_step(step: int) -> None:
    whole, resumed = (FreshCrops(SOURCE, render_labels, silent) for _ in range(2))
    for number in range(step + 1):
        whole.go_to_step(number)
    resumed.go_to_step(step)
    assert torch.equal(contents(whole), contents(resumed))
    for crops in (whole, resumed):
        crops.go_to_step(step + 1)
    assert torch.equal(contents(whole), contents(resumed))


def test_processes_render_what_the_trainer_itself_would() -> None:
    here = FreshCrops(SOURCE, render_labels, silent)
    with closing(FreshCrops(replace(SOURCE, num_processes=1), render_labels, silent)) as there:
        for crops in (here, there):
            crops.go_to_step(0)
            crops.go_to_step(3)
        assert torch.equal(contents(here), contents(there))


KILLED = """
import os, signal, sys
import psutil
from tests.training.sources.test_fresh_renderings import SOURCE, render_labels, silent
from dataclasses import replace
from training.sources.fresh_renderings import FreshCrops
if __name__ == "__main__":
    FreshCrops(replace(SOURCE, num_processes=1), render_labels, silent).go_to_step(1)
    print(*[child.pid for child in psutil.Process().children(recursive=True)], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def is_running(process_id: int) -> bool:
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_processes_end_with_a_trainer_that_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    root = Path(__file__).parents[3]
    ended = subprocess.run(
        [sys.executable, str(program)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    children = [int(number) for number in ended.stdout.split()]
    assert children
    give_up = time.monotonic() + 30
    while any(map(is_running, children)):
        assert time.monotonic() < give_up, "a process goes on without its trainer"
        time.sleep(0.05)


def test_a_pool_that_does_not_wait_takes_at_most_its_share() -> None:
    source = replace(SOURCE, num_processes=1, waits_for_renderings=False)
    with closing(FreshCrops(source, render_labels, silent)) as crops:
        crops.go_to_step(0)
        seen = [crops.num_people]
        for step in range(1, 6):
            crops.go_to_step(step)
            seen.append(crops.num_people)
        assert seen == sorted(seen)
        assert all(people <= 4 + 2 * step for step, people in enumerate(seen))


def test_joined_processes_have_the_same_people_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.sources.fresh_renderings.num_joined_processes", lambda: 2)
    source = replace(SOURCE, num_processes=1, waits_for_renderings=False)
    with closing(FreshCrops(source, render_labels, silent)) as crops:
        for step in range(20):
            crops.go_to_step(step)
            assert crops.num_people == 4 + 2 * step


def test_cameras_are_replaced_one_by_one() -> None:
    source = replace(SOURCE, people_per_new_camera=10)
    for task, cameras in ((0, range(5)), (9, range(5)), (10, range(1, 6)), (57, range(5, 10))):
        seen = set()
        for person in range(task // 10 * 10, task // 10 * 10 + 10):
            seen |= set(render_person(source, render_labels, person)[:, 1, 0, 0].tolist())
        assert seen == set(cameras)


def test_a_person_is_drawn_differently_each_time() -> None:
    source = replace(SOURCE, crop_height=64, crop_width=24, brings_new_people=False)
    crops = [render_person(source, render_fresh_crop, task) for task in (1, 5)]
    assert crops[0].shape == (3, 3, 64, 24)
    assert not np.array_equal(crops[0], crops[1])
    assert np.array_equal(crops[0], render_person(source, render_fresh_crop, 1))

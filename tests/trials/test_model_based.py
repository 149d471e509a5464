"""Random operations against a service and against a dictionary, which must agree after every one of them.

The service is a real process that is stopped, killed and started again, and its Redis is emptied and killed, between
operations and during them. A search's answer is compared with what the slow references make of the dictionary.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import FlakyFailure
from hypothesis.stateful import run_state_machine_as_test

from tests.trials import parameters
from tests.trials.crop_pool import CropPool
from tests.trials.drawn_operations import POOL_SIZE
from tests.trials.forked_services import ForkServer
from tests.trials.gallery_machine import GalleryMachine
from tests.trials.kept_services import World
from tests.trials.parameters import Figures

STEPS = 100


def run(world: World, examples: int, used_seed: int, phases: Sequence[Phase]) -> None:
    machine = seed(used_seed)(type("Gallery", (GalleryMachine,), {"world": world}))
    chosen = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=phases,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(machine, settings=chosen)
    except BaseException as error:
        error.add_note(parameters.how_to_repeat(used_seed))
        raise


def run_many(world: World, wanted: int, examples: int) -> None:
    """A part at a time, each with a seed and services of its own: a failure can be had again without those before."""
    used_seed = parameters.seed()
    world.figures.add("operations", 0)
    while world.figures.counts["operations"] < wanted:
        run(world, examples, used_seed, (Phase.generate, Phase.shrink))
        world.close()
        used_seed += 1


@pytest.fixture
def world(fork_server: ForkServer, trial_checkpoint: Path, crop_pool: CropPool, tmp_path: Path) -> Iterator[World]:
    assert crop_pool.size == POOL_SIZE
    shared = World(fork_server, trial_checkpoint, crop_pool, tmp_path, Figures("model-based"))
    yield shared
    shared.close()


def test_some_hundred_operations_agree_with_a_dictionary(world: World) -> None:
    run_many(world, wanted=200, examples=4)


def test_the_trial_notices_a_device_that_keeps_what_was_erased(world: World) -> None:
    world.before = ("tests.trials.broken_services:keep_what_is_erased_on_the_device",)
    # The next run of the machine may be the first to see it, and does not see it again with another service.
    with pytest.raises((AssertionError, FlakyFailure)):
        run(world, examples=10, used_seed=parameters.seed(), phases=(Phase.generate,))


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_hundred_thousand_operations_agree_with_a_dictionary(world: World) -> None:
    run_many(world, parameters.parameter("OPERATIONS", 100_000), examples=20)
    world.figures.add("differences", 0)
    world.figures.say()

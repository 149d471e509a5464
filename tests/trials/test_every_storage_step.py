"""A fault at every step by which writes reach disk, Redis and device: the step fails once, or the process ends there.

A run without faults says which steps there are; then each is made to fail in a run of its own. What the clients were
told holds afterwards, in the service that goes on and in one that is started anew.
"""

import random
import shutil
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.trials import parameters
from tests.trials.crop_pool import CropPool
from tests.trials.forked_services import ForkedService, ForkServer
from tests.trials.gallery_operations import Delete, Put, send_batch
from tests.trials.injected_faults import ERRORS
from tests.trials.parameters import Figures
from tests.trials.promises import Promised
from tests.trials.writers import Writer, check_promises, stored_version

# A step of each run in `make test` is that many after the one before; which one is first changes with the seed.
_STRIDE = 50
_UNSURE = (500, 503)

# A version is a second of its own, by which these are erased.
_TO_BE_ERASED = ("f-4", "f-6")
_ERASED_VERSION = 8


@dataclass(slots=True)
class Trial:
    """A data directory with some detections in it, of which each run has a copy, and what was promised of them."""

    parent: ForkServer
    checkpoint: Path
    pool: CropPool
    directory: Path
    promised: Promised
    figures: Figures

    @property
    def prepared_dir(self) -> Path:
        return self.directory / "prepared"

    def start(self, data_dir: Path, before: tuple[str, ...] | None = None) -> ForkedService:
        return ForkedService.fork(self.parent, data_dir, self.checkpoint, before, gallery_capacity=500)

    def look(self, service: ForkedService, writer: Writer) -> None:
        with httpx.Client(base_url=service.url, timeout=60, verify=False) as client:
            check_promises(client, self.pool, [writer])


@pytest.fixture
def trial(fork_server: ForkServer, trial_checkpoint: Path, crop_pool: CropPool, tmp_path: Path) -> Trial:
    trial = Trial(fork_server, trial_checkpoint, crop_pool, tmp_path, Promised(), Figures("every storage step"))
    service = trial.start(trial.prepared_dir)
    service.wait_until_listening()
    service.wait_until_ready()
    with httpx.Client(base_url=service.url, timeout=60, verify=False) as client:
        for number in range(8):
            detection_id = f"f-{number}"
            version = _ERASED_VERSION if detection_id in _TO_BE_ERASED else 1
            put = Put(detection_id, stored_version(detection_id, version, crop_pool))
            put.send(client, crop_pool).raise_for_status()
            trial.promised.done({detection_id: version})
    assert service.stop() == 0
    return trial


def test_a_fault_at_some_steps_loses_nothing(trial: Trial) -> None:
    first = random.Random(parameters.seed()).randrange(_STRIDE)
    steps = find_steps(trial)
    assert {*ERRORS, "after disk commit"} <= set(steps)
    for number, action in every_fault(steps)[first::_STRIDE]:
        run_with_fault(trial, number, action)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_fault_at_every_step_loses_nothing(trial: Trial) -> None:
    for number, action in every_fault(find_steps(trial)):
        run_with_fault(trial, number, action)
        trial.figures.say(at_most_every_seconds=20)
    trial.figures.add("lost, doubled or half", 0)
    trial.figures.say()


def every_fault(steps: list[str]) -> list[tuple[int, str]]:
    """Each step's number, with each thing that can befall it; what fails while a service starts is `kill` alone."""
    started = len(steps) - steps[::-1].index("the service is ready")
    faults = []
    for number, name in enumerate(step for step in steps if step != "the service is ready"):
        faults.append((number, "kill"))
        if name in ERRORS and number >= started - 1:
            faults.append((number, "raise"))
    return faults


def find_steps(trial: Trial) -> list[str]:
    """The names of all steps in their order, and where among them the service became ready."""
    data_dir = trial.directory / "without-fault"
    shutil.copytree(trial.prepared_dir, data_dir, ignore=shutil.ignore_patterns("*.sock"))
    trace = trial.directory / "steps"
    service = trial.start(data_dir, ("tests.trials.injected_faults:install", str(trace), "-1", "kill"))
    service.wait_until_listening()
    service.wait_until_ready()
    with trace.open("a") as file:
        file.write("the service is ready\n")
    writer = Writer("f", trial.pool, random.Random(0), deepcopy(trial.promised))
    write_everything(service.url, trial.pool, writer.promised)
    assert all(not possible for possible in writer.promised.possible.values())
    # Read before anybody looks: that is no writing, and asks Redis too.
    steps = trace.read_text().splitlines()
    trial.look(service, writer)
    service.kill()
    return steps


def run_with_fault(trial: Trial, number: int, action: str) -> None:
    data_dir = trial.directory / f"{action}-{number}"
    shutil.copytree(trial.prepared_dir, data_dir, ignore=shutil.ignore_patterns("*.sock"))
    trace = trial.directory / f"steps-{action}-{number}"
    service = trial.start(data_dir, ("tests.trials.injected_faults:install", str(trace), str(number), action))
    writer = Writer("f", trial.pool, random.Random(0), deepcopy(trial.promised))
    try:
        write_with_fault(trial, service, writer, action, trace, number)
        service.kill()
        service = trial.start(data_dir)
        service.wait_until_listening()
        service.wait_until_ready()
        trial.look(service, writer)
    except BaseException as error:
        reached = trace.read_text().splitlines() if trace.exists() else []
        name = reached[number] if number < len(reached) else "not reached"
        error.add_note(f"{action} at step {number}, {name}; what the service said:\n{service.log}")
        raise
    finally:
        service.kill()
    if len(trace.read_text().splitlines()) > number:
        trial.figures.add(f"steps where the process was to {action}" if action == "kill" else "steps that failed")
    shutil.rmtree(data_dir)


def write_with_fault(
    trial: Trial, service: ForkedService, writer: Writer, action: str, trace: Path, number: int
) -> None:
    try:
        service.wait_until_listening()
        service.wait_until_ready()
        write_everything(service.url, trial.pool, writer.promised)
    except (httpx.TransportError, RuntimeError):
        # It ended, as it was to.
        assert action == "kill"
        assert service.wait_until_ended() == -9
    # Writes that meet in one transaction take fewer steps: the last may be left for those who only look.
    if action == "raise" and len(trace.read_text().splitlines()) > number:
        # It goes on and finishes what was not finished.
        service.wait_until_ready()
        trial.look(service, writer)


def write_everything(url: str, pool: CropPool, promised: Promised) -> None:
    """A new detection, a replaced one, an erased one, a batch of both, and an erasure by filter."""
    with httpx.Client(base_url=url, timeout=60, verify=False) as client:
        for detection_id, version in (("f-new", 1), ("f-0", 2)):
            put = Put(detection_id, stored_version(detection_id, version, pool))
            promised.begin({detection_id: version})
            if put.send(client, pool).status_code not in _UNSURE:
                promised.done({detection_id: version})
        promised.begin({"f-1": 0})
        if Delete("f-1").send(client, pool).status_code not in _UNSURE:
            promised.done({"f-1": 0})
        batch = {"f-2": 4, "f-3": 5, "f-new-too": 6}
        promised.begin(batch)
        answer = send_batch(client, pool, [Put(each, stored_version(each, batch[each], pool)) for each in batch])
        for result in answer.raise_for_status().json()["results"] if answer.status_code not in _UNSURE else []:
            if result["status"] not in _UNSURE:
                promised.done({result["detection_id"]: batch[result["detection_id"]]})
        promised.begin(dict.fromkeys(_TO_BE_ERASED, 0))
        window = {"time_from": f"179000000{_ERASED_VERSION}", "time_to": f"179000000{_ERASED_VERSION + 1}"}
        if client.post("/v1/detections:erase", json=window).status_code not in _UNSURE:
            promised.done(dict.fromkeys(_TO_BE_ERASED, 0))

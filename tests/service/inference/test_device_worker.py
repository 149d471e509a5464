"""The device's thread: what it takes together, and that every caller gets an end, whatever happens."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace

import pytest
import torch

from service.errors import QueueFull, Unavailable
from service.inference.device_worker import DeviceWorker, Operation
from service.observability.log_lines import JsonLines
from service.observability.metrics import Metrics
from service.observability.request_context import RequestContext, working_for
from service.observability.trace_context import TraceContext

pytestmark = pytest.mark.anyio

MAX_WAITING = 8


class Gate:
    """An operation that keeps the device busy until it is opened, so that jobs gather behind it."""

    def __init__(self) -> None:
        self._is_busy = threading.Event()
        self._is_open = threading.Event()
        self.operation: Operation[None, None] = Operation("gate", self._hold)

    async def wait_until_busy(self) -> None:
        assert await asyncio.to_thread(self._is_busy.wait, 10)

    def open(self) -> None:
        self._is_open.set()

    def _hold(self, items: list[None]) -> list[None]:
        self._is_busy.set()
        assert self._is_open.wait(10)
        return items


class Doubling:
    """An operation that remembers its batches; negative items are errors, and fail the batch they are in."""

    def __init__(self, max_batch: int = 100, size_of: Callable[[int], int] = lambda _: 1) -> None:
        self.batches: list[list[int]] = []
        self.operation: Operation[int, int] = Operation("double", self._double, max_batch, size_of)

    def _double(self, items: list[int]) -> Sequence[int]:
        self.batches.append(items)
        if wrong := [item for item in items if item < 0]:
            raise ValueError(f"negative: {wrong}")
        return [2 * item for item in items]


@pytest.fixture
def worker() -> Iterator[DeviceWorker]:
    worker = DeviceWorker(MAX_WAITING)
    yield worker
    worker.close()


async def gather_behind(
    worker: DeviceWorker, gate: Gate, *jobs: tuple[Operation[int, int], int]
) -> list[asyncio.Task[int]]:
    """Starts jobs while the device is busy, and returns once all of them wait."""
    held = asyncio.create_task(worker.run(gate.operation, None))
    await gate.wait_until_busy()
    tasks = [asyncio.create_task(worker.run(operation, item)) for operation, item in jobs]
    await asyncio.sleep(0)
    assert worker.waiting == len(jobs)
    held.add_done_callback(lambda task: task.cancelled() or task.exception())
    return tasks


async def test_jobs_that_wait_are_one_batch_and_each_gets_its_own_answer(worker: DeviceWorker) -> None:
    gate, doubling = Gate(), Doubling()
    tasks = await gather_behind(worker, gate, *((doubling.operation, item) for item in range(5)))
    gate.open()
    assert await asyncio.gather(*tasks) == [0, 2, 4, 6, 8]
    assert doubling.batches == [[0, 1, 2, 3, 4]]
    assert worker.waiting == 0


async def test_a_batch_holds_what_its_size_allows_and_a_larger_item_goes_alone(worker: DeviceWorker) -> None:
    gate, doubling = Gate(), Doubling(max_batch=10, size_of=lambda item: item)
    tasks = await gather_behind(worker, gate, *((doubling.operation, item) for item in (6, 5, 4, 25, 1)))
    gate.open()
    assert await asyncio.gather(*tasks) == [12, 10, 8, 50, 2]
    assert doubling.batches == [[6, 4], [5, 1], [25]]


async def test_what_items_of_a_batch_share_counts_once(worker: DeviceWorker) -> None:
    gate, doubling = Gate(), Doubling()
    # Each counts one, and one for each of its digits.
    sharing = replace(doubling.operation, max_batch=6, parts_of=lambda item: set(str(item)))
    tasks = await gather_behind(worker, gate, *((sharing, item) for item in (123, 321, 45, 4, 21)))
    gate.open()
    assert await asyncio.gather(*tasks) == [246, 642, 90, 8, 42]
    assert doubling.batches == [[123, 321, 21], [45, 4]]
    assert sharing.batch_size([123, 321, 21]) == 6


async def test_the_oldest_job_says_which_kind_is_next(worker: DeviceWorker) -> None:
    gate, first, second = Gate(), Doubling(), Doubling()
    order = [(first.operation, 1), (second.operation, 2), (first.operation, 3), (second.operation, 4)]
    tasks = await gather_behind(worker, gate, *order)
    gate.open()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8]
    assert (first.batches, second.batches) == ([[1, 3]], [[2, 4]])


async def test_an_error_reaches_only_those_at_fault(worker: DeviceWorker) -> None:
    gate, doubling = Gate(), Doubling()
    tasks = await gather_behind(worker, gate, *((doubling.operation, item) for item in (1, -2, 3, -4)))
    gate.open()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(each) for each in answers] == ["2", "negative: [-2]", "6", "negative: [-4]"]
    assert doubling.batches == [[1, -2, 3, -4], [1, -2], [1], [-2], [3, -4], [3], [-4]]
    assert worker.is_alive
    assert await worker.run(doubling.operation, 5) == 10


async def test_results_that_are_too_few_are_an_error_and_not_the_end(worker: DeviceWorker) -> None:
    forgetful: Operation[int, int] = Operation("forget", lambda _: [], 8)
    with pytest.raises(RuntimeError, match="forget gave 0 results for 1 items"):
        await worker.run(forgetful, 1)
    assert worker.is_alive


async def test_a_full_queue_refuses_at_once_and_accepted_requests_go_on(worker: DeviceWorker) -> None:
    gate, doubling = Gate(), Doubling()
    tasks = await gather_behind(worker, gate, *((doubling.operation, item) for item in range(MAX_WAITING)))
    with pytest.raises(QueueFull, match="8 jobs wait"):
        await asyncio.wait_for(worker.run(doubling.operation, 100), 0.5)
    accepted = asyncio.create_task(worker.run_accepted(doubling.operation, 100))
    await asyncio.sleep(0)
    gate.open()
    assert await asyncio.gather(*tasks, accepted) == [*range(0, 2 * MAX_WAITING, 2), 200]


async def test_jobs_whose_callers_gave_up_are_not_done(worker: DeviceWorker) -> None:
    gate, doubling = Gate(), Doubling()
    tasks = await gather_behind(worker, gate, *((doubling.operation, item) for item in range(4)))
    for task in tasks[::2]:
        task.cancel()
    await asyncio.sleep(0)
    gate.open()
    assert await asyncio.gather(*tasks[1::2]) == [2, 6]
    assert doubling.batches == [[1, 3]]


async def test_callers_that_all_give_up_for_ever_do_no_harm(worker: DeviceWorker) -> None:
    doubling = Doubling()
    for _ in range(1500):
        task = asyncio.create_task(worker.run(doubling.operation, 1))
        await asyncio.sleep(0)
        task.cancel()
        while worker.waiting:
            await asyncio.sleep(0)
    assert await worker.run(doubling.operation, 2) == 4
    assert worker.is_alive


async def test_closing_finishes_the_batch_in_hand_and_fails_what_waits() -> None:
    worker, gate, doubling = DeviceWorker(MAX_WAITING), Gate(), Doubling()
    in_hand = asyncio.create_task(worker.run(gate.operation, None))
    await gate.wait_until_busy()
    waiting = [asyncio.create_task(worker.run(doubling.operation, item)) for item in range(3)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(worker.close))
    while worker.is_alive:
        await asyncio.sleep(0.001)
    gate.open()
    await closing
    assert await in_hand is None
    for answer in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(answer, Unavailable)
    assert doubling.batches == []
    with pytest.raises(Unavailable, match="device thread has ended"):
        await worker.run(doubling.operation, 1)
    worker.close()


# The thread's end is meant to be seen, and pytest sees it too.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_thread_that_dies_leaves_nobody_waiting() -> None:
    worker, gate, doubling = DeviceWorker(MAX_WAITING), Gate(), Doubling()

    def die(items: list[int]) -> list[int]:
        raise SystemExit(f"the driver ended the thread at {items}")

    held = asyncio.create_task(worker.run(gate.operation, None))
    await gate.wait_until_busy()
    fatal: Operation[int, int] = Operation("die", die, 8)
    jobs = [(fatal, 1), (fatal, 2), (doubling.operation, 3)]
    tasks = [asyncio.create_task(worker.run(operation, item)) for operation, item in jobs]
    await asyncio.sleep(0)
    gate.open()
    answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert [type(answer) for answer in answers] == [Unavailable] * 3
    assert await held is None
    assert not worker.is_alive
    with pytest.raises(Unavailable):
        await worker.run(doubling.operation, 4)
    worker.close()


async def test_hundreds_of_callers_of_several_kinds_all_get_their_answers() -> None:
    worker = DeviceWorker(max_waiting=1000)
    kinds = [Doubling(max_batch=7), Doubling(max_batch=1), Doubling(max_batch=64)]
    wanted = [item if item % 13 else -item - 1 for item in range(600)]
    tasks = [asyncio.create_task(worker.run(kinds[item % 3].operation, item)) for item in wanted]
    for task, item in zip(tasks, wanted, strict=True):
        if item < 0:
            with pytest.raises(ValueError, match=rf"\[{item}\]"):
                await task
        else:
            assert await task == 2 * item
    for kind, most in zip(kinds, (7, 1, 64), strict=True):
        assert max(map(len, kind.batches)) <= most
    assert max(map(len, kinds[2].batches)) > 7
    await asyncio.to_thread(worker.close)


def test_a_caller_whose_event_loop_is_gone_does_not_hurt_the_next() -> None:
    worker, gate, doubling = DeviceWorker(MAX_WAITING), Gate(), Doubling()

    async def give_up() -> None:
        asyncio.create_task(worker.run(gate.operation, None))  # noqa: RUF006 - to be forgotten
        await gate.wait_until_busy()

    asyncio.run(give_up())
    gate.open()
    assert asyncio.run(worker.run(doubling.operation, 21)) == 42
    worker.close()


async def test_later_steps_of_accepted_requests_go_first(worker: DeviceWorker) -> None:
    gate, first_steps, later_steps = Gate(), Doubling(max_batch=1), Doubling(max_batch=1)
    order: list[str] = []
    running = [asyncio.create_task(worker.run(gate.operation, None))]
    await gate.wait_until_busy()

    async def note(name: str, done: Coroutine[None, None, int]) -> None:
        await done
        order.append(name)

    running += [asyncio.create_task(note("first", worker.run(first_steps.operation, 1))) for _ in range(3)]
    await asyncio.sleep(0)
    running += [asyncio.create_task(note("later", worker.run_accepted(later_steps.operation, 1))) for _ in range(2)]
    await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(*running)
    assert order == ["later", "later", "first", "first", "first"]


class Crowded:
    """An operation with memory for few items at once; negative items are errors of their own."""

    def __init__(self, most: int, max_batch: int = 64) -> None:
        self.most = most
        self.batches: list[int] = []
        self.operation: Operation[int, int] = Operation("crowded", self._run, max_batch)

    def _run(self, items: list[int]) -> Sequence[int]:
        self.batches.append(len(items))
        if len(items) > self.most:
            raise torch.OutOfMemoryError(f"{len(items)} items")
        if min(items) < 0:
            raise ValueError(f"negative: {items}")
        return [2 * item for item in items]


async def test_a_batch_that_does_not_fit_is_halved_and_the_limit_remembered() -> None:
    metrics = Metrics()
    worker, gate, crowded = DeviceWorker(100, metrics), Gate(), Crowded(most=9)
    jobs = [asyncio.create_task(worker.run(gate.operation, None))]
    await gate.wait_until_busy()
    tasks = [asyncio.create_task(worker.run(crowded.operation, item)) for item in range(64)]
    await asyncio.sleep(0)
    gate.open()
    assert await asyncio.gather(*tasks) == [2 * item for item in range(64)]
    await asyncio.gather(*jobs)
    assert crowded.batches == [64, 32, 16, 8, 8, 16, 8, 8, 32, 16, 8, 8, 16, 8, 8]
    crowded.batches.clear()
    assert await asyncio.gather(*(worker.run(crowded.operation, item) for item in range(32))) == list(range(0, 64, 2))
    assert max(crowded.batches) <= 8, "no batch has to fail again"
    text = metrics.exposition().decode()
    assert 'qaconv_device_batch_halvings_total{operation="crowded"} 7.0' in text
    assert 'qaconv_device_out_of_memory_total{operation="crowded"} 7.0' in text
    worker.close()


async def test_an_item_that_does_not_fit_alone_is_unavailable_and_the_thread_lives(worker: DeviceWorker) -> None:
    gate, crowded = Gate(), Crowded(most=0)
    tasks = await gather_behind(worker, gate, *((crowded.operation, item) for item in range(3)))
    gate.open()
    for answer in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(answer, Unavailable)
        assert "QACONV_GALLERY_CAPACITY" in answer.detail
    crowded.most = 1
    assert await worker.run(crowded.operation, 4) == 8


async def test_lines_of_the_device_name_the_requests_of_the_batch(
    worker: DeviceWorker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(JsonLines())
    gate, doubling = Gate(), Doubling()
    held = asyncio.create_task(worker.run(gate.operation, None))
    await gate.wait_until_busy()
    tasks = []
    for name, item in (("a", 1), ("b", -2)):
        with working_for([RequestContext(name, TraceContext.begin())]):
            tasks.append(asyncio.create_task(worker.run(doubling.operation, item)))
    await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(held, *tasks, return_exceptions=True)
    (line,) = [json.loads(line) for line in caplog.text.splitlines()]
    assert (line["logger"], line["request_ids"]) == ("service.inference.device_worker", ["a", "b"])


async def test_jobs_that_nobody_waits_for_take_no_place(worker: DeviceWorker) -> None:
    gate, doubling = Gate(), Doubling()
    tasks = await gather_behind(worker, gate, *((doubling.operation, item) for item in range(MAX_WAITING)))
    for task in tasks:
        task.cancel()
    await asyncio.sleep(0)
    assert worker.waiting == 0
    late = asyncio.create_task(worker.run(doubling.operation, 7))
    await asyncio.sleep(0)
    gate.open()
    assert await late == 14

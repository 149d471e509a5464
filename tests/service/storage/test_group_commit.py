import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from service.errors import QueueFull, Unavailable
from service.storage.group_commit import GroupCommit
from service.storage.grouping_thread import MAX_GROUP

pytestmark = pytest.mark.anyio


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[lmdb.Environment]:
    with lmdb.open(str(tmp_path), map_size=2**24) as environment:
        yield environment


class Gate:
    """A write that holds the writer until it is opened, so that further writes gather behind it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, _: "lmdb.Transaction[bytes]") -> None:
        self.entered.set()
        assert self.opened.wait(10)


async def hold(writer: GroupCommit) -> tuple[Gate, "asyncio.Task[None]"]:
    gate = Gate()
    task = asyncio.create_task(writer.write(gate))
    await asyncio.to_thread(gate.entered.wait, 10)
    return gate, task


def committed(environment: lmdb.Environment) -> int:
    return environment.info()["last_txnid"]


async def test_writes_that_wait_share_a_commit(environment: lmdb.Environment) -> None:
    writer = GroupCommit(environment, max_waiting=100)
    gate, held = await hold(writer)
    before = committed(environment)
    tasks = [
        asyncio.create_task(writer.write(lambda transaction, key=key: transaction.put(b"%d" % key, b"v")))
        for key in range(MAX_GROUP)
    ]
    await asyncio.sleep(0)
    gate.opened.set()
    assert await asyncio.gather(*tasks) == [True] * MAX_GROUP
    await held
    # The gate wrote nothing, which LMDB does not count as a transaction.
    assert committed(environment) - before == 1
    assert environment.stat()["entries"] == MAX_GROUP
    writer.close()


async def test_a_failing_write_fails_alone(environment: lmdb.Environment) -> None:
    def fail(transaction: "lmdb.Transaction[bytes]") -> None:
        transaction.put(b"half", b"written")
        raise ZeroDivisionError("mine")

    writer = GroupCommit(environment, max_waiting=100)
    gate, held = await hold(writer)
    tasks = [
        asyncio.create_task(writer.write(lambda transaction, key=key: transaction.put(b"%d" % key, b"v")))
        for key in range(5)
    ]
    tasks.insert(2, asyncio.create_task(writer.write(fail)))
    await asyncio.sleep(0)
    gate.opened.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    await held
    assert isinstance(results.pop(2), ZeroDivisionError)
    assert results == [True] * 5
    with environment.begin() as transaction:
        assert transaction.get(b"half") is None
    assert environment.stat()["entries"] == 5
    assert writer.is_alive
    writer.close()


async def test_a_full_queue_refuses_at_once_but_not_what_was_begun(environment: lmdb.Environment) -> None:
    writer = GroupCommit(environment, max_waiting=2)
    gate, held = await hold(writer)
    waiting = [asyncio.create_task(writer.write(lambda _: 1)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(QueueFull, match="2 writes wait for the disk, at most 2"):
        await writer.write(lambda _: 2)
    further = asyncio.create_task(writer.write(lambda _: 3, continues=True))
    await asyncio.sleep(0)
    gate.opened.set()
    assert [await each for each in [*waiting, further]] == [1, 1, 3]
    await held
    writer.close()


async def test_closing_finishes_what_waits_and_refuses_the_rest(environment: lmdb.Environment) -> None:
    writer = GroupCommit(environment, max_waiting=100)
    gate, held = await hold(writer)
    waiting = asyncio.create_task(writer.write(lambda transaction: transaction.put(b"last", b"v")))
    await asyncio.sleep(0)
    closing = asyncio.create_task(asyncio.to_thread(writer.close))
    while writer.is_alive:
        await asyncio.sleep(0.001)
    with pytest.raises(Unavailable, match="shutting down"):
        await writer.write(lambda _: None)
    gate.opened.set()
    await closing
    assert await waiting is True
    await held
    assert not writer.is_alive
    writer.close()


async def test_a_write_given_up_before_it_began_is_not_done(environment: lmdb.Environment) -> None:
    writer = GroupCommit(environment, max_waiting=100)
    gate, held = await hold(writer)
    waiting = asyncio.create_task(writer.write(lambda transaction: transaction.put(b"given up", b"v")))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    gate.opened.set()
    await held
    writer.close()
    assert environment.stat()["entries"] == 0


def test_a_caller_whose_loop_is_gone_does_not_end_the_writer(environment: lmdb.Environment) -> None:
    writer = GroupCommit(environment, max_waiting=100)
    gate = Gate()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.write(gate), 0.05)

    asyncio.run(give_up())
    gate.opened.set()
    assert asyncio.run(writer.write(lambda _: "alive")) == "alive"
    writer.close()

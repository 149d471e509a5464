import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from service.errors import QueueFull, Unavailable
from service.storage.grouping_thread import MAX_GROUP, GroupingThread


@dataclass(frozen=True, slots=True)
class Letter:
    number: int
    answer: "Future[int]" = field(default_factory=Future)


class Office:
    """Notes each group, and is held at the first until it is let go on."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.may_go_on = threading.Event()
        self.groups: list[list[int]] = []
        self.thread: GroupingThread[Letter] = GroupingThread("post", "the office", "letters", 100, self.handle)
        self.put(0)
        assert self.entered.wait(10)

    def handle(self, group: Sequence[Letter]) -> None:
        self.entered.set()
        assert self.may_go_on.wait(10)
        self.groups.append([letter.number for letter in group])
        for letter in group:
            if letter.number == 13:
                raise ZeroDivisionError("thirteen")
            letter.answer.set_result(letter.number)

    def put(self, number: int, *, is_refusable: bool = True) -> "Future[int]":
        letter = Letter(number)
        self.thread.put(letter, is_refusable=is_refusable)
        return letter.answer


@pytest.fixture
def office() -> Iterator[Office]:
    office = Office()
    yield office
    office.may_go_on.set()
    office.thread.close()


def test_what_waits_goes_together_in_its_order_and_not_too_much_of_it(office: Office) -> None:
    answers = [office.put(number) for number in range(20, 120)]
    office.may_go_on.set()
    assert [answer.result(10) for answer in answers] == list(range(20, 120))
    assert office.groups == [[0], list(range(20, 20 + MAX_GROUP)), list(range(20 + MAX_GROUP, 120))]


def test_as_many_wait_as_may_but_for_what_must_be_taken(office: Office) -> None:
    for number in range(20, 120):
        office.put(number)
    assert office.thread.waiting == 100
    with pytest.raises(QueueFull, match=r"^100 letters wait for the disk, at most 100 may: try again later$"):
        office.put(1)
    taken = office.put(2, is_refusable=False)
    office.may_go_on.set()
    assert taken.result(10) == 2
    assert sum(map(len, office.groups)) == 102


def test_what_is_raised_answers_those_that_were_left_and_the_thread_goes_on(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    before, culprit, behind = office.put(12), office.put(13), office.put(14)
    office.may_go_on.set()
    assert before.result(10) == 12
    for answer in (culprit, behind):
        with pytest.raises(ZeroDivisionError, match="thirteen"):
            answer.result(10)
    assert office.put(15).result(10) == 15
    assert office.thread.is_alive
    assert "nobody foresaw, in the thread post" in caplog.text


def test_closing_finishes_what_waits_refuses_the_rest_and_may_be_repeated(office: Office) -> None:
    waiting = office.put(1)
    closing = threading.Thread(target=office.thread.close)
    closing.start()
    deadline = time.monotonic() + 10
    while office.thread.is_alive and time.monotonic() < deadline:
        time.sleep(0.001)
    for is_refusable in (True, False):
        with pytest.raises(Unavailable, match=r"^the office is closed: the service is shutting down"):
            office.put(2, is_refusable=is_refusable)
    office.may_go_on.set()
    closing.join(10)
    assert waiting.result(0) == 1
    office.thread.close()
    assert not office.thread.is_alive

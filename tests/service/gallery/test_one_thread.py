"""Operations on the calling thread alone: torch's number of threads is less within, and what it was behind."""

import threading

import pytest
import torch

from service.gallery.one_thread import on_one_thread


def test_the_number_of_threads_comes_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with on_one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with pytest.raises(ZeroDivisionError), on_one_thread():
            1 / 0  # noqa: B018
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_another_thread_keeps_its_own() -> None:
    """Another thread that has used torch already is not slowed down meanwhile."""
    seen: list[int] = []
    is_begun, may_look = threading.Event(), threading.Event()

    def look() -> None:
        torch.set_num_threads(2)
        assert torch.get_num_threads() == 2
        is_begun.set()
        may_look.wait(10)
        seen.append(torch.get_num_threads())

    before = torch.get_num_threads()
    other = threading.Thread(target=look)
    other.start()
    assert is_begun.wait(10)
    with on_one_thread():
        may_look.set()
        other.join()
    torch.set_num_threads(before)
    assert seen == [2]

"""Halving, with a fake allocator for failure; what really lacks memory is in `test_little_memory`."""

import gc
import weakref

import pytest
import torch
from torch import Tensor

from service.out_of_memory import attempt, in_halves, is_out_of_memory


@pytest.mark.parametrize(
    ("error", "is_it"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("could not create a memory object"), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_lack_of_memory_is_told_from_other_errors(error: Exception, is_it: bool) -> None:
    assert is_out_of_memory(error) is is_it


class Doubling:
    """Doubles rows; has memory for few at once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.tried: list[int] = []

    def __call__(self, rows: Tensor) -> Tensor:
        self.tried.append(len(rows))
        if len(rows) > self.most:
            raise torch.OutOfMemoryError(f"{len(rows)} rows")
        return 2 * rows


@pytest.mark.parametrize(
    ("most", "tried"),
    [(9, [9]), (4, [9, 4, 5, 2, 3]), (1, [9, 4, 2, 1, 1, 2, 1, 1, 5, 2, 1, 1, 3, 1, 2, 1, 1])],
)
def test_rows_that_do_not_fit_are_done_in_halves(most: int, tried: list[int]) -> None:
    rows, doubling = torch.arange(9), Doubling(most)
    assert in_halves(doubling, rows).equal(2 * rows)
    assert doubling.tried == tried


def test_a_row_that_does_not_fit_alone_is_an_error_and_so_is_any_other_failure() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        in_halves(Doubling(0), torch.arange(4))
    tried = []

    def fail(rows: Tensor) -> Tensor:
        tried.append(len(rows))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        in_halves(fail, torch.arange(4))
    assert tried == [4]


def test_a_failed_attempt_gives_its_memory_back() -> None:
    held: list[weakref.ref[Tensor]] = []

    def fail() -> None:
        large = torch.zeros(1000)
        held.append(weakref.ref(large))
        raise torch.OutOfMemoryError(f"{len(large)}")

    gc.disable()
    try:
        failure = attempt(fail)
        assert isinstance(failure, torch.OutOfMemoryError)
        assert held[0]() is None
    finally:
        gc.enable()

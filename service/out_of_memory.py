"""Work that does not fit into the device's memory is done in halves."""

import traceback
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from service.errors import Unavailable

Result = TypeVar("Result")

# Torch has a class for a GPU's memory alone. A CPU's allocator, oneDNN, cuBLAS and cuDNN raise RuntimeError and say
# it in words: these are the words.
_COMPLAINTS = (
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "out of memory",
    "out_of_memory",
    "bad_alloc",
    "status_alloc_failed",
    "could not create a memory",
    "could not create a primitive",  # oneDNN, of a convolution whose scratch memory is refused
    "unable to mmap",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that there is too little memory, of the device or of the machine."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _COMPLAINTS)


def attempt(function: Callable[[], Result]) -> Result | Exception:
    """What a function returns, or the exception that it raised, without the memory that the exception's frames hold.

    A traceback keeps every tensor of the failed attempt alive: to try again with less, they must go first.
    """
    try:
        return function()
    except Exception as error:
        failure = error
    _release(failure)
    return failure


def in_halves(function: Callable[[Tensor], Tensor], rows: Tensor, dim: int = 0) -> Tensor:
    """`function(rows)`, in one piece or, where memory does not suffice, in halves of the rows, and halves of those.

    Args:
        function: what it makes of each row does not depend on the other rows.
        rows: at least one.
        dim: of the result, along which it has one place for each row.

    Raises:
        Exception: whatever the function raised for a single row, or that was no lack of memory.
    """
    outcome = attempt(lambda: function(rows))
    if not isinstance(outcome, Exception):
        return outcome
    if len(rows) == 1 or not is_out_of_memory(outcome):
        raise outcome
    middle = len(rows) // 2
    return torch.cat([in_halves(function, half, dim) for half in (rows[:middle], rows[middle:])], dim)


def too_little_memory(what: str) -> Unavailable:
    """The error of work that does not fit alone either."""
    return Unavailable(
        f"the device has too little memory for {what}: try again when less is asked of it. If it stays so, lower "
        "QACONV_GALLERY_CAPACITY, which leaves more memory to searches, or use a device with more"
    )


def _release(failure: Exception) -> None:
    traceback.clear_frames(failure.__traceback__)
    if is_out_of_memory(failure) and torch.cuda.is_initialized():
        torch.cuda.empty_cache()

"""Small tensor operations on the calling thread alone: of many that take microseconds each, waiting for torch's other
threads takes longer than they save, the more so when something else keeps their cores busy.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def on_one_thread() -> Iterator[None]:
    """Around operations of the calling thread; others that use torch already keep their number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

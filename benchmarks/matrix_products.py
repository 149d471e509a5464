"""What scoring is measured beside: the machine's own matrix product, which writes its result, and reading memory."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from benchmarks.scoring_ways import multiplies_bfloat16, to_choose_with
from benchmarks.taking_turns import Work, choose_fastest, time_once

_BLOCKS = (1, 2, 4, 8, 16, 32, 64)
_MOST_RESULT_BYTES = 2**28
_TURNS = 5


def product_formats() -> Sequence[str]:
    """Those that torch multiplies here without emulating them."""
    return ("float32", "bfloat16", "int8") if multiplies_bfloat16() else ("float32", "int8")


def product_at_best(storage: str, queries: Tensor, gallery: Tensor) -> tuple[Work, str]:
    """All similarities of queries [q, hw, d] and a gallery, in its best block, and which that is, queries × detections.

    The result of each block is written over that of the one before; nothing else is done. int8 is summed in int32.
    """
    kernels, maps = _as(storage, queries), _as(storage, gallery)
    some = to_choose_with(kernels, maps)
    element_bytes = 2 if storage == "bfloat16" else 4
    works = {
        (together, block): _multiply_blocks(kernels, some, together, block)
        for together in sorted({1, len(queries)})
        for block in _BLOCKS
        if block <= len(some) and together * block * queries.shape[1] ** 2 * element_bytes <= _MOST_RESULT_BYTES
    }
    together, block = choose_fastest(works)
    return _multiply_blocks(kernels, maps, together, block), f"{together} × {block}"


def large_product_rate(storage: str, size: int) -> float:
    """Operations a second of the product of two large square matrices, the best of several."""
    left, right = (_as(storage, torch.rand(size, size) - 0.5) for _ in range(2))
    result = _product_of(storage)(left, right.T)
    multiply = partial(_product_of(storage), left, right.T, out=result)
    return 2 * size**3 / min(time_once(multiply) for _ in range(_TURNS))


def memory_rate(count: int) -> float:
    """Bytes a second that all threads of torch read, the best of several times over so many bytes."""
    numbers = torch.ones(count // 4)
    return count / min(time_once(partial(torch.sum, numbers)) for _ in range(_TURNS))


def large_product_rates(size: int) -> Mapping[str, float]:
    """`large_product_rate` of every format."""
    return {storage: large_product_rate(storage, size) for storage in product_formats()}


def _multiply_blocks(kernels: Tensor, maps: Tensor, together: int, block_size: int) -> Work:
    multiply = _product_of(str(maps.dtype).removeprefix("torch."))
    columns = [some.flatten(0, 1).T for some in kernels.split(together)]
    blocks = [block.flatten(0, 1) for block in maps.split(block_size)]
    results = {
        (len(block), some.shape[1]): multiply(block, some) for block in (blocks[0], blocks[-1]) for some in columns
    }

    def work() -> None:
        for block in blocks:
            for some in columns:
                multiply(block, some, out=results[len(block), some.shape[1]])

    return work


def _product_of(storage: str) -> Callable[..., Tensor]:
    return torch._int_mm if storage == "int8" else torch.mm


def _as(storage: str, numbers: Tensor) -> Tensor:
    return (127 * numbers).round().to(torch.int8) if storage == "int8" else numbers.to(getattr(torch, storage))

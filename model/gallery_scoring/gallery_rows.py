"""Which maps of a gallery are scored: all of them, or those in some rows, without a copy of them all."""

from collections.abc import Iterator

import torch
from torch import Tensor


def check_rows(rows: Tensor, gallery_maps: Tensor) -> None:
    """Whether row numbers int64 [g] are those of gallery maps [n, ...], in any order and any number of times.

    Raises:
        ValueError: another dtype or shape, another device than the maps', or a row that they do not have. On a GPU,
            which would have to be waited for, such a row is torch's to find when it copies it.
    """
    if rows.dtype != torch.int64 or rows.dim() != 1 or rows.device != gallery_maps.device:
        raise ValueError(
            f"rows {rows.dtype} {list(rows.shape)} on {rows.device}, expected int64 [g] on {gallery_maps.device}"
        )
    if len(rows) == 0 or rows.device.type != "cpu":
        return
    smallest, largest = (int(row) for row in rows.aminmax())
    if smallest < 0 or largest >= len(gallery_maps):
        raise ValueError(f"rows from {smallest} to {largest}, the gallery has 0 to {len(gallery_maps) - 1}")


def count_scored(rows: Tensor | None, gallery_maps: Tensor) -> int:
    """g: how many maps are scored."""
    return len(gallery_maps) if rows is None else len(rows)


def split_gallery(rows: Tensor | None, gallery_maps: Tensor, size: int) -> Iterator[tuple[slice, slice | Tensor]]:
    """Blocks of at most `size` maps: their columns among the logits, and what they are indexed by in the gallery."""
    for start in range(0, count_scored(rows, gallery_maps), size):
        columns = slice(start, start + size)
        yield columns, columns if rows is None else rows[columns]

"""Which rows of a gallery may be scored, and in which blocks."""

import pytest
import torch
from torch import Tensor

from model.gallery_scoring.gallery_rows import check_rows, count_scored, split_gallery

GALLERY = torch.zeros(5, 2, 3)


def test_blocks_of_all_maps_are_not_copied() -> None:
    assert list(split_gallery(None, GALLERY, 2)) == [
        (slice(0, 2), slice(0, 2)),
        (slice(2, 4), slice(2, 4)),
        (slice(4, 6), slice(4, 6)),
    ]
    assert count_scored(None, GALLERY) == 5


def test_blocks_of_some_rows() -> None:
    rows = torch.tensor([4, 0, 4])
    (first, chosen), (second, last) = split_gallery(rows, GALLERY, 2)
    assert (first, second) == (slice(0, 2), slice(2, 4))
    assert torch.equal(torch.as_tensor(chosen), torch.tensor([4, 0]))
    assert torch.equal(torch.as_tensor(last), torch.tensor([4]))
    assert count_scored(rows, GALLERY) == 3


def test_rows_in_any_order_are_taken() -> None:
    check_rows(torch.tensor([4, 0, 4]), GALLERY)
    check_rows(torch.empty(0, dtype=torch.int64), GALLERY[:0])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (torch.tensor([0, 5]), "rows from 0 to 5, the gallery has 0 to 4"),
        (torch.tensor([-1]), "rows from -1 to -1"),
        (torch.tensor([1], dtype=torch.int32), "rows torch.int32"),
        (torch.tensor([[1]]), r"\[1, 1\] on cpu, expected int64 \[g\] on cpu"),
    ],
)
def test_rows_that_are_not_there_are_refused(rows: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_rows(rows, GALLERY)

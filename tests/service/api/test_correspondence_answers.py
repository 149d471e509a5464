from dataclasses import asdict

import pytest

from model.config import ModelConfig
from model.correspondences import Cell, Correspondence
from service.api.correspondence_answers import PixelGrid, describe_correspondences

PAPER = ModelConfig()


def test_a_cell_lies_on_the_centre_of_its_pixels() -> None:
    grid = PixelGrid.over(60, 160, PAPER)
    # 60 pixels over 8 columns, 160 over 24 rows.
    assert grid.centre(Cell(row=3, column=2)) == pytest.approx((18.75, 23.333333))
    assert grid.centre(Cell(row=0, column=0)) == pytest.approx((3.75, 3.333333))
    assert grid.centre(Cell(row=23, column=7)) == pytest.approx((56.25, 156.666667))


def test_each_side_has_its_own_pixels() -> None:
    found = Correspondence("mutual", 0.9, Cell(0, 0), Cell(23, 7))
    (answer,) = describe_correspondences([found], PixelGrid.over(8, 24, PAPER), PixelGrid.over(80, 240, PAPER))
    assert asdict(answer) == {
        "direction": "mutual",
        "similarity": 0.9,
        "query": {"row": 0, "column": 0, "x": 0.5, "y": 0.5},
        "gallery": {"row": 23, "column": 7, "x": 75.0, "y": 235.0},
    }

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from model.config import ModelConfig
from model.correspondences import Cell, Correspondence
from service.api.comparison_picture import draw_comparison
from service.search.compare_crops import Comparison

PAPER = ModelConfig()
RED, BLUE = (200, 20, 20), (20, 20, 200)


def draw(*correspondences: Correspondence, size: tuple[int, int] = (60, 160)) -> Image.Image:
    query, gallery = Image.new("RGB", size, RED), Image.new("RGB", (64, 128), BLUE)
    content = draw_comparison(Comparison(1.0, 0.73, correspondences, size, gallery.size), query, gallery, PAPER)
    picture = Image.open(BytesIO(content))
    assert picture.format == "PNG"
    return picture.convert("RGB")


def test_the_query_is_on_the_left_and_the_other_crop_on_the_right() -> None:
    picture = draw()
    pixels = np.asarray(picture)
    reds, blues = (np.argwhere((pixels == colour).all(axis=2))[:, 1] for colour in (RED, BLUE))
    assert reds.max() < blues.min()
    # Both are enlarged, their shapes kept.
    assert reds.max() - reds.min() + 1 == 240
    assert blues.max() - blues.min() + 1 == 320


def test_a_line_joins_the_cells_in_the_colour_of_its_similarity() -> None:
    best = Correspondence("mutual", 1.0, Cell(12, 4), Cell(12, 4))
    difference = np.abs(np.asarray(draw(best)).astype(int) - np.asarray(draw()).astype(int)).sum(axis=2)
    # The footer, whose text names the number of lines, differs too.
    changed = np.argwhere(difference[:680] > 30)
    # The centre of row 12, column 4, of 24 × 8 cells on a crop of 240 × 640 pixels, 24 pixels from the edges.
    assert changed[:, 1].min() == pytest.approx(24 + 4.5 * 240 / 8, abs=7)
    assert changed[:, 0].mean() == pytest.approx(24 + 12.5 * 640 / 24, abs=12)
    colour = np.asarray(draw(best))[changed[len(changed) // 2][0], changed[len(changed) // 2][1]]
    assert colour[0] > 150
    assert colour[1] > 130


@pytest.mark.parametrize("size", [(8, 8), (8, 2000), (3000, 8), (1, 16_000)])
def test_crops_of_any_shape_give_a_picture_of_modest_size(size: tuple[int, int]) -> None:
    picture = draw(Correspondence("mutual", 0.2, Cell(0, 0), Cell(23, 7)), size=size)
    assert picture.width < 1200
    assert picture.height < 800

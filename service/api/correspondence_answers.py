"""Correspondences as they are answered: cells of the feature maps, and the pixels that those cells lie on.

Plain dataclasses, which are made ten times faster than pydantic's models: an answer may have 384,000 correspondences.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from model.config import ModelConfig
from model.correspondences import Cell, Correspondence, Direction


@dataclass(frozen=True, slots=True)
class PlaceAnswer:
    """A cell of a feature map, and the centre of that cell in the pixels of the upright image that was sent."""

    row: int
    column: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class CorrespondenceAnswer:
    """A place of the query and a place of the gallery's crop that agree."""

    direction: Annotated[Direction, Field(description="The side whose best partner the other is, or both.")]
    similarity: Annotated[float, Field(description="Cosine, in [-1, 1].")]
    query: PlaceAnswer
    gallery: PlaceAnswer


@dataclass(frozen=True, slots=True)
class PixelGrid:
    """The cells of a feature map, laid over an image.

    Attributes:
        cell_width: pixels of the image that a cell is wide; seldom a whole number.
        cell_height: likewise.
    """

    cell_width: float
    cell_height: float

    @classmethod
    def over(cls, image_width: int, image_height: int, config: ModelConfig) -> "PixelGrid":
        """The grid of a model's feature map over an image of this size."""
        return cls(image_width / config.map_width, image_height / config.map_height)

    def centre(self, cell: Cell) -> tuple[float, float]:
        """Where a cell's centre is, x and y from the image's upper left corner."""
        return (cell.column + 0.5) * self.cell_width, (cell.row + 0.5) * self.cell_height


def describe_correspondences(
    correspondences: Iterable[Correspondence], query: PixelGrid, gallery: PixelGrid
) -> list[CorrespondenceAnswer]:
    """The answers for correspondences, in their order."""
    return [
        CorrespondenceAnswer(
            direction=found.direction,
            similarity=found.similarity,
            query=_describe_place(found.query, query),
            gallery=_describe_place(found.gallery, gallery),
        )
        for found in correspondences
    ]


def _describe_place(cell: Cell, grid: PixelGrid) -> PlaceAnswer:
    x, y = grid.centre(cell)
    return PlaceAnswer(row=cell.row, column=cell.column, x=x, y=y)

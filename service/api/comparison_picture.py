"""A picture of two crops side by side, with a line for each correspondence, coloured by its similarity."""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from model.config import ModelConfig
from model.correspondences import Correspondence
from service.api.correspondence_answers import PixelGrid
from service.search.compare_crops import Comparison

_CROP_SIZE = (420, 640)
_GAP = 220
_MARGIN = 24
_FOOTER_HEIGHT = 48
_MIN_WIDTH = 560  # That of the footer.
_BACKGROUND = (22, 24, 28)
_TEXT = (225, 225, 225)
_TEXT_SIZE = 18
# From unlike to alike, distinct to colour-blind eyes too: dark violet, blue-green, yellow.
_COLOURS = ((120, 80, 190), (53, 171, 158), (253, 231, 37))
# The similarities at both ends of the colours. Lower ones are seldom asked for.
_SIMILARITY_RANGE = (0.5, 1.0)
# Lines are drawn larger and then made smaller, which smooths their edges.
_SMOOTHING = 2

_Point = tuple[float, float]


def draw_comparison(
    comparison: Comparison, query_crop: Image.Image, gallery_crop: Image.Image, config: ModelConfig
) -> bytes:
    """The picture, a PNG: the query on the left, the gallery's crop on the right, its score and the colours below.

    Drawn is what both directions found. Most of the one-sided pairs end at the crops' edges, where every location
    looks much like any other to the network (and where a trained head gives it next to no weight).

    Args:
        comparison: where the crops agree, all over them.
        query_crop: upright.
        gallery_crop: likewise.
        config: of the model, whose feature map the correspondences' cells belong to.
    """
    query, gallery = _enlarge(query_crop), _enlarge(gallery_crop)
    width = max(query.width + _GAP + gallery.width + 2 * _MARGIN, _MIN_WIDTH)
    height = max(query.height, gallery.height) + 2 * _MARGIN
    canvas = Image.new("RGB", (width, height + _FOOTER_HEIGHT), _BACKGROUND)
    places = (_MARGIN, _MARGIN), (width - _MARGIN - gallery.width, _MARGIN)
    canvas.paste(query, places[0])
    canvas.paste(gallery, places[1])
    mutual = [found for found in comparison.correspondences if found.direction == "mutual"]
    # The most alike last, so that they lie on top.
    mutual.sort(key=lambda found: found.similarity)
    _draw_lines(canvas, [_ends(found, (query, gallery), places, config) for found in mutual])
    _draw_footer(canvas, height, comparison.appearance_score, len(mutual))
    file = BytesIO()
    canvas.save(file, "PNG")
    return file.getvalue()


def _enlarge(crop: Image.Image) -> Image.Image:
    """The crop as large as its place allows, its shape kept."""
    scale = min(_CROP_SIZE[0] / crop.width, _CROP_SIZE[1] / crop.height)
    size = max(1, round(crop.width * scale)), max(1, round(crop.height * scale))
    return crop.resize(size, Image.Resampling.BICUBIC)


def _ends(
    found: Correspondence,
    crops: tuple[Image.Image, Image.Image],
    places: tuple[tuple[int, int], tuple[int, int]],
    config: ModelConfig,
) -> tuple[_Point, _Point, tuple[int, int, int]]:
    """Where a correspondence's line begins and ends on the canvas, and its colour."""
    points = []
    for crop, place, cell in zip(crops, places, (found.query, found.gallery), strict=True):
        x, y = PixelGrid.over(crop.width, crop.height, config).centre(cell)
        points.append((place[0] + x, place[1] + y))
    return points[0], points[1], _colour(found.similarity)


def _colour(similarity: float) -> tuple[int, int, int]:
    low, high = _SIMILARITY_RANGE
    position = min(max((similarity - low) / (high - low), 0.0), 1.0) * (len(_COLOURS) - 1)
    index = min(int(position), len(_COLOURS) - 2)
    red, green, blue = (
        round(start + (end - start) * (position - index))
        for start, end in zip(_COLOURS[index], _COLOURS[index + 1], strict=True)
    )
    return red, green, blue


def _draw_lines(canvas: Image.Image, ends: Sequence[tuple[_Point, _Point, tuple[int, int, int]]]) -> None:
    overlay = Image.new("RGBA", (canvas.width * _SMOOTHING, canvas.height * _SMOOTHING), (*_BACKGROUND, 0))
    draw = ImageDraw.Draw(overlay)
    for start, end, colour in ends:
        points = [(x * _SMOOTHING, y * _SMOOTHING) for x, y in (start, end)]
        draw.line(points, (*colour, 200), width=2 * _SMOOTHING)
        for point in points:
            draw.circle(point, 5 * _SMOOTHING, (*colour, 255), (*_BACKGROUND, 255), _SMOOTHING)
    smoothed = overlay.resize(canvas.size, Image.Resampling.BOX)
    canvas.paste(smoothed, (0, 0), smoothed)


def _draw_footer(canvas: Image.Image, top: int, appearance_score: float, count: int) -> None:
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(_TEXT_SIZE)
    draw.text((_MARGIN, top), f"score {appearance_score:.3f}    {count} mutual correspondences", _TEXT, font)
    low, high = _SIMILARITY_RANGE
    bar_width, bar_left = 100, canvas.width - _MARGIN - 140
    draw.text((bar_left - 8, top), f"{low:g}", _TEXT, font, anchor="ra")
    draw.text((bar_left + bar_width + 8, top), f"{high:g}", _TEXT, font)
    for column in range(bar_width):
        colour = _colour(low + (high - low) * column / (bar_width - 1))
        draw.line(((bar_left + column, top + 4), (bar_left + column, top + 16)), colour)

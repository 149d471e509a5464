"""A picture that fabrics are cut and pasted into, with the mask of what has been covered."""

from collections.abc import Sequence
from math import hypot

from PIL import Image, ImageDraw, ImageEnhance

from training.synthetic.fabric import TILE_HEIGHT, TILE_WIDTH, Fabric, fabric_tile
from training.synthetic.pose import BodyView, Point

# A person is drawn this tall: twice the usual crop, so that shrinking it smooths the edges.
PERSON_PIXELS = 320
CANVAS_WIDTH, CANVAS_HEIGHT = 280, 400
TOP_MARGIN = 30

ImagePoint = tuple[float, float]


class Canvas:
    """Draws in the coordinates of a body (see `training.synthetic.pose`), seen by one view."""

    def __init__(self, view: BodyView) -> None:
        self.view = view
        self.image = Image.new("RGB", (CANVAS_WIDTH, CANVAS_HEIGHT))
        self.mask = Image.new("L", (CANVAS_WIDTH, CANVAS_HEIGHT))

    def pixel(self, point: Point) -> ImagePoint:
        """Where a point of the body is on the canvas."""
        across, down = self.view.project(point)
        return CANVAS_WIDTH / 2 + across * PERSON_PIXELS, TOP_MARGIN + down * PERSON_PIXELS

    def polygon(self, outline: Sequence[ImagePoint], fabric: Fabric, brightness: float = 1.0) -> None:
        """Fill an outline given in pixels."""
        columns, rows = [point[0] for point in outline], [point[1] for point in outline]
        box = self._clip(min(columns), min(rows), max(columns), max(rows))
        if box is None:
            return
        shape = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        ImageDraw.Draw(shape).polygon([(x - box[0], y - box[1]) for x, y in outline], fill=255)
        self._paste(shape, box, fabric, brightness)

    def ellipse(
        self, centre: ImagePoint, radius_x: float, radius_y: float, fabric: Fabric, brightness: float = 1.0
    ) -> None:
        """Fill an upright ellipse given in pixels."""
        box = self._clip(centre[0] - radius_x, centre[1] - radius_y, centre[0] + radius_x, centre[1] + radius_y)
        if box is None:
            return
        shape = Image.new("L", (box[2] - box[0], box[3] - box[1]))
        x, y = centre[0] - box[0], centre[1] - box[1]
        ImageDraw.Draw(shape).ellipse((x - radius_x, y - radius_y, x + radius_x, y + radius_y), fill=255)
        self._paste(shape, box, fabric, brightness)

    def limb(
        self, start: Point, end: Point, radii: tuple[float, float], fabric: Fabric, brightness: float = 1.0
    ) -> None:
        """Fill a tapering limb between two joints; the radii are shares of the person's height."""
        first, second = self.pixel(start), self.pixel(end)
        first_radius = radii[0] * PERSON_PIXELS * self.view.scale(start[1])
        second_radius = radii[1] * PERSON_PIXELS * self.view.scale(end[1])
        length = max(hypot(second[0] - first[0], second[1] - first[1]), 1e-6)
        normal_x, normal_y = (first[1] - second[1]) / length, (second[0] - first[0]) / length
        outline = [
            (first[0] + normal_x * first_radius, first[1] + normal_y * first_radius),
            (second[0] + normal_x * second_radius, second[1] + normal_y * second_radius),
            (second[0] - normal_x * second_radius, second[1] - normal_y * second_radius),
            (first[0] - normal_x * first_radius, first[1] - normal_y * first_radius),
        ]
        self.polygon(outline, fabric, brightness)
        self.ellipse(first, first_radius, first_radius, fabric, brightness)
        self.ellipse(second, second_radius, second_radius, fabric, brightness)

    def _clip(self, left: float, top: float, right: float, bottom: float) -> tuple[int, int, int, int] | None:
        box = (
            max(0, int(left)),
            max(0, int(top)),
            min(CANVAS_WIDTH, int(right) + 2),
            min(CANVAS_HEIGHT, int(bottom) + 2),
        )
        return box if box[2] > box[0] and box[3] > box[1] else None

    def _paste(self, shape: Image.Image, box: tuple[int, int, int, int], fabric: Fabric, brightness: float) -> None:
        # The pattern hangs on the body: it turns with the person and its top is the top of the head.
        turn = int(self.view.yaw * TILE_WIDTH / 6.2831853) + (TILE_WIDTH - CANVAS_WIDTH) // 2
        piece = _tile_window(fabric, (box[0] + turn) % TILE_WIDTH, box[1] % TILE_HEIGHT, shape.size)
        if brightness != 1.0:
            piece = ImageEnhance.Brightness(piece).enhance(brightness)
        self.image.paste(piece, box, shape)
        self.mask.paste(255, box, shape)


def _tile_window(fabric: Fabric, left: int, top: int, size: tuple[int, int]) -> Image.Image:
    tile = fabric_tile(fabric)
    window = tile.crop((left, top, left + size[0], top + size[1]))
    while left + size[0] > TILE_WIDTH:
        left -= TILE_WIDTH
        window.paste(tile.crop((0, top, TILE_WIDTH, top + size[1])), (-left, 0))
    return window

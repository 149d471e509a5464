"""Things that stand about where people walk: behind them in a scene, before them in a crop."""

from collections.abc import Callable
from enum import Enum

import numpy as np

from training.synthetic.cameras.camera import FramePoint
from training.synthetic.cameras.furniture import (
    draw_bin,
    draw_chair,
    draw_shelf,
    draw_sign,
    draw_table,
)
from training.synthetic.cameras.illumination import Setting
from training.synthetic.cameras.street_things import (
    draw_bicycle,
    draw_bollard,
    draw_bush,
    draw_car,
    draw_pole,
    draw_railing,
    draw_umbrella,
)
from training.synthetic.cameras.thing_shapes import Draw
from training.synthetic.cameras.travellers import (
    draw_cart,
    draw_somebody,
    draw_suitcase,
)


class Thing(Enum):
    """Kinds of things."""

    POLE = "pole"
    BOLLARD = "bollard"
    BUSH = "bush"
    CAR = "car"
    BICYCLE = "bicycle"
    RAILING = "railing"
    TABLE = "table"
    CHAIR = "chair"
    CART = "cart"
    SUITCASE = "suitcase"
    SIGN = "sign"
    BIN = "bin"
    SHELF = "shelf"
    UMBRELLA = "umbrella"
    SOMEBODY = "somebody"


_OUTDOORS = (Thing.POLE, Thing.BOLLARD, Thing.BUSH, Thing.CAR, Thing.BICYCLE, Thing.RAILING, Thing.SIGN, Thing.BIN)
_INDOORS = (Thing.TABLE, Thing.CHAIR, Thing.SHELF, Thing.SIGN, Thing.BIN, Thing.BUSH, Thing.POLE, Thing.SOMEBODY)
_TRAVEL = (Thing.CART, Thing.SUITCASE, Thing.RAILING, Thing.POLE, Thing.SIGN, Thing.BIN, Thing.CHAIR, Thing.SOMEBODY)
THINGS_OF = {
    Setting.STREET: (*_OUTDOORS, Thing.UMBRELLA, Thing.SOMEBODY),
    Setting.PARK: (Thing.BUSH, Thing.BUSH, Thing.POLE, Thing.RAILING, Thing.BICYCLE, Thing.BIN, Thing.UMBRELLA),
    Setting.STATION: _TRAVEL,
    Setting.HALL: (*_INDOORS, Thing.SUITCASE, Thing.RAILING),
    Setting.CORRIDOR: (Thing.CART, Thing.POLE, Thing.BIN, Thing.CHAIR, Thing.SIGN, Thing.BUSH),
    Setting.SHOP: (Thing.SHELF, Thing.SHELF, Thing.CART, Thing.TABLE, Thing.SIGN, Thing.SOMEBODY),
}


def draw_thing(draw: Draw, thing: Thing, foot: FramePoint, random: np.random.Generator) -> None:
    """Draw a thing upright where its foot is projected, in a size and colours of its own."""
    _DRAWINGS[thing](draw, foot.x, foot.y, foot.pixels_per_meter, random)


_DRAWINGS: dict[Thing, Callable[[Draw, float, float, float, np.random.Generator], None]] = {
    Thing.POLE: draw_pole,
    Thing.BOLLARD: draw_bollard,
    Thing.BUSH: draw_bush,
    Thing.CAR: draw_car,
    Thing.BICYCLE: draw_bicycle,
    Thing.RAILING: draw_railing,
    Thing.TABLE: draw_table,
    Thing.CHAIR: draw_chair,
    Thing.CART: draw_cart,
    Thing.SUITCASE: draw_suitcase,
    Thing.SIGN: draw_sign,
    Thing.BIN: draw_bin,
    Thing.SHELF: draw_shelf,
    Thing.UMBRELLA: draw_umbrella,
    Thing.SOMEBODY: draw_somebody,
}

import numpy as np
import pytest
from PIL import Image, ImageDraw

from training.synthetic.cameras.camera import FramePoint
from training.synthetic.cameras.things import Thing, draw_thing


@pytest.mark.parametrize("thing", Thing)
def test_things_stand_on_their_foot_at_their_size(thing: Thing) -> None:
    image = Image.new("RGBA", (400, 300))
    draw_thing(ImageDraw.Draw(image), thing, FramePoint(200, 250, 60), np.random.default_rng(4))
    covered = np.asarray(image)[:, :, 3] > 0
    assert covered.sum() > 150
    # Nothing stands more than a few centimetres below the ground.
    assert not covered[262:].any()


@pytest.mark.parametrize("thing", Thing)
def test_things_are_drawn_at_any_size(thing: Thing) -> None:
    for meter in (0.7, 5.0, 900.0):
        image = Image.new("RGBA", (60, 120))
        draw_thing(ImageDraw.Draw(image), thing, FramePoint(30, 110, meter), np.random.default_rng(0))
        # Of so large a thing, the picture may show a gap.
        assert meter == 900.0 or np.asarray(image)[:, :, 3].any()

from dataclasses import replace
from math import pi

import numpy as np
import numpy.typing as npt
import pytest

from training.synthetic.figures.figure import Figure, render_figure
from training.synthetic.figures.view import Light, View
from training.synthetic.people.appearance import PersonAppearance, sample_appearance
from training.synthetic.people.hairdo import HairStyle, Headwear
from training.synthetic.people.luggage import BagKind
from training.synthetic.people.patterns import plain
from training.synthetic.people.pose import Pose, sample_pose
from training.synthetic.people.prints import Print, PrintKind
from training.synthetic.people.wardrobe import Blocking, Closure, Collar, LowerKind

LIGHT = Light((0.0, 0.6, 0.8), (0.7, 0.7, 0.7), (0.5, 0.5, 0.5))
FRONT = View(yaw=0.0, elevation=0.1, distance=6.0, roll=0.0, height_pixels=160)
GREY = (120.0, 120.0, 120.0)
GREEN = (0.0, 220.0, 0.0)


def person(number: int = 0) -> PersonAppearance:
    return sample_appearance(np.random.default_rng([4, number]))


def standing() -> Pose:
    pose = sample_pose(np.random.default_rng(2))
    return replace(pose, stride=0.0, knee=0.0, arm_swing=0.0, head_yaw=0.0, twist=0.0, lean=(0.0, 0.0))


def grey_person() -> PersonAppearance:
    """Somebody in plain grey without bags, so that a green thing stands out."""
    base = person()
    top = replace(
        base.top, fabric=plain(GREY), sleeve_fabric=plain(GREY), collar=Collar.CREW, closure=Closure.NONE, hem=0.52,
        blocking=Blocking.NONE, trim=None, sleeve_stripe=None, front=None, back=None, opening=0.0, quilting=0.0,
    )  # fmt: skip
    lower = replace(base.lower, kind=LowerKind.TROUSERS, fabric=plain(GREY), hem=1.0, side_stripe=None, belt=None)
    head = replace(
        base.head, hair=GREY, tips=GREY, hair_style=HairStyle.SHORT, headwear=Headwear.NONE, scarf=None, beard=None
    )
    luggage = replace(base.luggage, kind=BagKind.NONE, phone=GREY)
    shoes = replace(base.shoes, color=GREY, sole=GREY, accent=GREY)
    return replace(base, top=top, outer=None, lower=lower, head=head, luggage=luggage, shoes=shoes)


def green_share(figure: Figure) -> float:
    red, green, blue = (figure.color[:, :, channel] for channel in range(3))
    is_green = (green > 2.5 * red) & (green > 2.5 * blue) & (figure.alpha > 0.5)
    return float(is_green.sum() / (figure.alpha > 0.5).sum())


def rows_of(figure: Figure) -> npt.NDArray[np.intp]:
    return np.flatnonzero((figure.alpha > 0.5).any(axis=1))


def test_the_same_seed_gives_the_same_pixels() -> None:
    first, second = (render_figure(person(3), sample_pose(np.random.default_rng(9)), FRONT, LIGHT) for _ in range(2))
    np.testing.assert_array_equal(first.color, second.color)
    np.testing.assert_array_equal(first.alpha, second.alpha)
    assert first.foot == second.foot


@pytest.mark.parametrize("number", range(12))
def test_colour_and_coverage_are_in_bounds(number: int) -> None:
    random = np.random.default_rng(number)
    view = View(float(random.uniform(-pi, pi)), float(random.uniform(0, 0.9)), float(random.uniform(1.5, 20)), 0.1, 150)
    figure = render_figure(person(number), sample_pose(random), view, LIGHT)
    assert figure.color.dtype == figure.alpha.dtype == np.float32
    assert figure.color.shape == (*figure.alpha.shape, 3)
    assert figure.alpha.min() == 0.0
    assert figure.alpha.max() == 1.0
    assert np.isfinite(figure.color).all()
    assert figure.color.min() >= 0.0
    # Nothing is cut off: the borders are empty.
    for border in (figure.alpha[0], figure.alpha[-1], figure.alpha[:, 0], figure.alpha[:, -1]):
        assert border.max() == 0.0


def test_a_person_is_as_tall_as_asked_and_stands_on_the_foot_point() -> None:
    figure = render_figure(grey_person(), standing(), replace(FRONT, elevation=0.0), LIGHT)
    rows = rows_of(figure)
    assert abs(len(rows) - FRONT.height_pixels) < 0.05 * FRONT.height_pixels
    assert abs(rows[-1] - figure.foot[1]) < 0.03 * FRONT.height_pixels


def test_a_print_on_the_chest_shows_from_the_front_only() -> None:
    mark = Print(PrintKind.BLOCK, (0.0, 0.7), (0.12, 0.1), (GREEN, GREEN), 1)
    base = grey_person()
    marked = replace(base, top=replace(base.top, front=mark))
    assert green_share(render_figure(marked, standing(), FRONT, LIGHT)) > 0.02
    assert green_share(render_figure(marked, standing(), replace(FRONT, yaw=pi), LIGHT)) == 0.0
    assert green_share(render_figure(base, standing(), FRONT, LIGHT)) == 0.0


def test_a_print_on_the_back_shows_from_behind_only() -> None:
    mark = Print(PrintKind.BLOCK, (0.0, 0.7), (0.12, 0.1), (GREEN, GREEN), 1)
    base = grey_person()
    marked = replace(base, top=replace(base.top, back=mark))
    assert green_share(render_figure(marked, standing(), FRONT, LIGHT)) == 0.0
    assert green_share(render_figure(marked, standing(), replace(FRONT, yaw=pi), LIGHT)) > 0.02


def test_a_backpack_shows_from_behind_and_only_its_straps_from_the_front() -> None:
    base = grey_person()
    pack = replace(
        base.luggage, kind=BagKind.BACKPACK, fabric=plain(GREEN), second=GREEN, strap=GREY, size=(0.16, 0.24, 0.09)
    )
    carrying = replace(base, luggage=pack)
    behind = green_share(render_figure(carrying, standing(), replace(FRONT, yaw=pi), LIGHT))
    ahead = green_share(render_figure(carrying, standing(), FRONT, LIGHT))
    assert behind > 0.1
    assert ahead < 0.01
    straps = replace(carrying, luggage=replace(pack, fabric=plain(GREY), second=GREY, strap=GREEN))
    assert green_share(render_figure(straps, standing(), FRONT, LIGHT)) > 0.01


def test_a_bag_at_the_left_hip_is_on_the_right_of_a_picture_from_the_front() -> None:
    base = grey_person()
    bag = replace(base.luggage, kind=BagKind.HANDBAG, fabric=plain(GREEN), second=GREEN, strap=GREEN, is_left=True)
    figure = render_figure(replace(base, luggage=bag), standing(), FRONT, LIGHT)
    green = (figure.color[:, :, 1] > 2.5 * figure.color[:, :, 0]) & (figure.alpha > 0.5)
    assert np.nonzero(green)[1].mean() > figure.foot[0]


def test_a_high_camera_sees_less_of_the_legs() -> None:
    base = grey_person()
    green_legs = replace(base, lower=replace(base.lower, fabric=plain(GREEN)))
    shares = [
        green_share(render_figure(green_legs, standing(), replace(FRONT, elevation=elevation, distance=2.5), LIGHT))
        for elevation in (0.0, 0.4, 0.8)
    ]
    assert shares[0] > shares[1] > shares[2] > 0


def test_the_side_that_faces_the_light_is_brighter() -> None:
    light = Light((0.8, 0.6, 0.0), (1.0, 1.0, 1.0), (0.2, 0.2, 0.2))
    figure = render_figure(grey_person(), standing(), FRONT, light)
    middle = round(figure.foot[0])
    inside = figure.alpha > 0.9
    left, right = (
        float(figure.color[:, half][inside[:, half]].mean()) for half in (slice(0, middle), slice(middle, None))
    )
    assert right > 1.3 * left


def test_a_hundred_people_look_different() -> None:
    pose = standing()
    view = replace(FRONT, height_pixels=64)
    pictures = {render_figure(person(number), pose, view, LIGHT).color.tobytes() for number in range(100)}
    assert len(pictures) == 100

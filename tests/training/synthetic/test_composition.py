from dataclasses import replace

import numpy as np
import pytest

from training.synthetic.bystanders import Standing, bystander_layer
from training.synthetic.cameras.camera import PERSON_METERS
from training.synthetic.cameras.site import network_scene, network_site
from training.synthetic.company import company
from training.synthetic.composition import compose
from training.synthetic.layers import figure_layer
from training.synthetic.people.appearance import PersonAppearance
from training.synthetic.shot import CropPlan, Shot, Window, draw_figure, person_appearance, usual_height

PLAN = CropPlan(
    seed=6, person=1, camera=3, track=0, moment=0, azimuth=1.0, place=0.5, aside_meters=0.0, companions=(2, 3),
    timestamp_seconds=0.0,
)  # fmt: skip


@pytest.fixture
def shot() -> Shot:
    site = replace(network_site(6, 3), crowd_share=1.0, occlusion_share=1.0)
    return Shot(PLAN, site, network_scene(6, 3), np.random.default_rng(3))


def test_a_figure_is_as_tall_in_the_crop_as_in_the_frame(shot: Shot) -> None:
    point = shot.site.camera.ground_point(0.5, 0.0)
    foot, head = shot.site.camera.project(point), shot.site.camera.project(point, PERSON_METERS)
    height = usual_height(shot.site, point)
    figure = draw_figure(shot, 1, point, height)
    layer = figure_layer(figure, (100.0, 300.0))
    assert layer.left + figure.foot[0] == pytest.approx(100.0, abs=0.51)
    assert layer.top + figure.foot[1] == pytest.approx(300.0, abs=0.51)
    assert np.hypot(head.x - foot.x, head.y - foot.y) > 50
    assert 0.7 < np.flatnonzero((figure.alpha > 0.5).any(axis=1)).size / height < 1.35


def test_who_is_nearer_stands_lower_and_comes_last(shot: Shot) -> None:
    point = shot.site.camera.ground_point(0.5, 0.0)
    window = Window(0.0, 0.0, 1.0, (800, 500))
    own_foot = shot.site.camera.project(point).y
    seen = 0
    for _ in range(20):
        behind, before = company(shot, window, point)
        assert len(behind) + len(before) >= 2
        seen += len(behind)
        for layer in behind:
            feet = layer.top + np.flatnonzero((layer.alpha > 0.5).any(axis=1)).max()
            assert feet < own_foot + 0.3 * usual_height(shot.site, point)
    assert seen > 3


def test_bystanders_stand_where_they_are_put_and_recur() -> None:
    standing = Standing((50.0, 200.0), 120.0, 0.3, np.full(3, 0.8, np.float32))
    layers = [bystander_layer(6, standing, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(layers[0].color, layers[1].color)
    assert layers[0].color.shape != layers[2].color.shape or not np.array_equal(layers[0].color, layers[2].color)
    for layer in layers:
        rows = layer.top + np.flatnonzero((layer.alpha > 0.5).any(axis=1))
        assert 185 < rows.max() < 222
        # A child is half as tall as `standing` says, a tall adult an eighth taller.
        assert 50 < rows.max() - rows.min() < 165


def test_light_is_light_and_somebody_is_in_it() -> None:
    light, is_infrared = compose(PLAN, np.random.default_rng(4))
    assert light.dtype == np.float32
    assert np.isfinite(light).all()
    assert light.min() >= -1e-3
    assert light.std() > 0.01
    assert not is_infrared


def test_a_child_is_smaller_than_who_it_walks_with(shot: Shot, monkeypatch: pytest.MonkeyPatch) -> None:
    heights = {1: 1.0, 2: 0.6}

    def appearance(seed: int, person: int) -> PersonAppearance:
        known = person_appearance(seed, person)
        return replace(known, body=replace(known.body, height=heights[person]))

    monkeypatch.setattr("training.synthetic.company.person_appearance", appearance)
    monkeypatch.setattr("training.synthetic.company._COMPANION_SHARE", 1.1)
    site = replace(shot.site, crowd_share=0.0, occlusion_share=0.0)
    point = site.camera.ground_point(0.5, 0.0)
    window = Window(0.0, 0.0, 1.0, (800, 500))

    def rows_of_companion(person: int, companion: int) -> int:
        plan = replace(PLAN, person=person, companions=(companion,))
        behind, before = company(Shot(plan, site, shot.scene, np.random.default_rng(3)), window, point)
        (layer,) = behind + before
        return int((layer.alpha > 0.5).any(axis=1).sum())

    child_beside_adult, adult_beside_child = rows_of_companion(1, 2), rows_of_companion(2, 1)
    # Both stand in the same place; of the same height they would take the same rows, but for how they are built.
    assert adult_beside_child / child_beside_adult == pytest.approx(1 / 0.6**2, rel=0.2)


def test_strangers_are_as_tall_as_they_are() -> None:
    standing = Standing((50.0, 200.0), 120.0, 0.08, np.full(3, 0.8, np.float32))
    layers = [bystander_layer(6, standing, np.random.default_rng(seed)) for seed in range(30)]
    heights = sorted(int((layer.alpha > 0.5).any(axis=1).sum()) for layer in layers)
    assert heights[-1] - heights[0] > 0.2 * 120

import numpy as np

from training.synthetic.cameras.camera import FRAME_HEIGHT, FRAME_WIDTH, sample_camera
from training.synthetic.cameras.illumination import Setting
from training.synthetic.cameras.scene import Scene, draw_scene
from training.synthetic.linear_light import to_linear


def scene(seed: int, setting: Setting) -> Scene:
    return draw_scene(np.random.default_rng(seed), sample_camera(np.random.default_rng(seed)), setting)


def test_every_setting_is_drawn_and_none_twice() -> None:
    pictures = [np.asarray(scene(3, setting).image) for setting in Setting]
    for picture in pictures:
        assert picture.shape == (FRAME_HEIGHT, FRAME_WIDTH, 4)
        assert picture[:, :, :3].std() > 8
    assert len({picture.tobytes() for picture in pictures}) == len(Setting)
    np.testing.assert_array_equal(pictures[0], np.asarray(scene(3, Setting.STREET).image))


def test_a_window_is_cut_scaled_and_kept_inside() -> None:
    street = scene(1, Setting.STREET)
    albedo, sunlit = street.window((100, 50, 150, 150), (50, 100), softness=1.0)
    np.testing.assert_allclose(albedo, to_linear(np.asarray(street.image)[50:150, 100:150, :3]), atol=0.02)
    assert sunlit.shape == (100, 50)
    outside, _ = street.window((-40, -10, 10, 90), (50, 100), softness=1.0)
    np.testing.assert_allclose(outside, street.window((0, 0, 50, 100), (50, 100), softness=1.0)[0], atol=1e-6)
    soft, _ = street.window((100, 50, 150, 150), (50, 100), softness=3.0)
    assert np.abs(np.diff(soft, axis=0)).mean() < np.abs(np.diff(albedo, axis=0)).mean()

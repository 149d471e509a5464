from dataclasses import replace

import numpy as np
import pytest

from training.synthetic.cameras.camera import GroundPoint
from training.synthetic.cameras.illumination import Illumination, Setting, sample_illumination

HERE = GroundPoint(0.0, 6.0)
STREET = Illumination(
    setting=Setting.STREET, sun_azimuth=0.5, noon_altitude=0.9, cloudiness=0.0, lamp_color=(1.3, 0.8, 0.3),
    lamp_spacing_meters=20.0, lamp_height_meters=5.0, lamp_strength=1.0, window_azimuth=0.0, window_strength=0.0,
    backlight=0.0, has_infrared=False, drift_seconds=1000.0, phase=0.0,
)  # fmt: skip
HOUR = 3600.0
NOON, EVENING, MIDNIGHT = 5 * HOUR, 11.5 * HOUR, 16 * HOUR  # Unix time 0 is eight in the morning.


def test_the_sun_is_high_at_noon_and_red_in_the_evening() -> None:
    noon, evening = STREET.at(HERE, NOON), STREET.at(HERE, EVENING)
    assert noon.direction[1] > evening.direction[1] + 0.3
    assert evening.direct[0] / evening.direct[2] > 1.5 * noon.direct[0] / noon.direct[2]
    assert noon.casts_shadow > 0.6


def test_street_lamps_light_some_places_at_night() -> None:
    strengths = [STREET.at(GroundPoint(x, 6.0), MIDNIGHT).direct[0] for x in np.linspace(0, 20, 9)]
    assert max(strengths) > 1.5 * min(strengths)
    infrared = replace(STREET, has_infrared=True)
    assert infrared.at(HERE, MIDNIGHT).is_infrared
    assert not infrared.at(HERE, NOON).is_infrared


def test_rooms_without_windows_do_not_know_the_hour() -> None:
    room = replace(STREET, setting=Setting.CORRIDOR)
    np.testing.assert_array_equal(room.at(HERE, NOON).direct, room.at(HERE, MIDNIGHT).direct)
    lit = replace(room, window_strength=2.0)
    assert lit.at(HERE, NOON).direct.sum() > 1.2 * lit.at(HERE, MIDNIGHT).direct.sum()


@pytest.mark.parametrize("seed", range(30))
def test_light_is_light(seed: int) -> None:
    illumination = sample_illumination(np.random.default_rng(seed))
    for hour in range(24):
        light = illumination.at(HERE, hour * HOUR)
        assert np.linalg.norm(light.direction) == pytest.approx(1.0, abs=0.01)
        assert np.all(light.direct >= 0)
        assert np.all(light.ambient > 0)
        assert np.all(light.direct + light.ambient < 6)
        assert 0 <= light.casts_shadow <= 1

"""The light at a place: sun, sky, street lamps, ceiling lamps and windows, by the time of day."""

from dataclasses import dataclass
from enum import Enum
from math import cos, hypot, pi, sin
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from training.synthetic.cameras.camera import GroundPoint

# Cameras show the local time of the place where Unix time 0 is eight in the morning, so that a network that begins
# at 0 begins by day.
_UTC_OFFSET_HOURS = 8.0
_SUNRISE_HOUR, _SUNSET_HOUR = 6.0, 20.0

Rgb = npt.NDArray[np.float32]


class Setting(Enum):
    """Where a camera hangs."""

    STREET = "street"
    PARK = "park"
    STATION = "station"
    HALL = "hall"
    CORRIDOR = "corridor"
    SHOP = "shop"

    @property
    def is_outdoors(self) -> bool:
        """Whether sun and rain reach it."""
        return self in (Setting.STREET, Setting.PARK)


class GroundLight(NamedTuple):
    """The light at a place.

    Attributes:
        direction: unit vector towards the main light, world axes.
        direct, ambient: linear RGB of the main light and of all the rest.
        casts_shadow: how dark the shadow of the main light is, 0 to 1.
        is_infrared: lit by the camera's own infrared lamp: the picture has no colours.
    """

    direction: tuple[float, float, float]
    direct: Rgb
    ambient: Rgb
    casts_shadow: float
    is_infrared: bool


@dataclass(frozen=True, slots=True)
class Illumination:
    """The lamps, windows and weather of one camera.

    Attributes:
        setting: where it is.
        sun_azimuth: of the noon sun, radians from away to the right.
        noon_altitude: of the sun, radians: the season.
        cloudiness: 0 clear to 1 overcast, on average.
        lamp_color: linear RGB of its lamps.
        lamp_spacing_meters, lamp_height_meters: of a row of lamps over the path.
        lamp_strength: against the fill light, 0 to 1.
        window_azimuth: where indoor daylight comes from, radians from away to the right.
        window_strength: of daylight at its brightest, linear; 0 for a room without windows.
        backlight: how much brighter the background is than the people, 0 for equally bright.
        has_infrared: whether it goes over to infrared at night.
        drift_seconds: how long a round of the change of clouds and of daylight takes.
        phase: of that change, radians.
    """

    setting: Setting
    sun_azimuth: float
    noon_altitude: float
    cloudiness: float
    lamp_color: tuple[float, float, float]
    lamp_spacing_meters: float
    lamp_height_meters: float
    lamp_strength: float
    window_azimuth: float
    window_strength: float
    backlight: float
    has_infrared: bool
    drift_seconds: float
    phase: float

    @property
    def utc_offset_seconds(self) -> float:
        """What to add to Unix time for local time."""
        return _UTC_OFFSET_HOURS * 3600

    def at(self, point: GroundPoint, timestamp_seconds: float) -> GroundLight:
        """The light at a point of the ground at a time (Unix seconds)."""
        hour = (timestamp_seconds / 3600 + _UTC_OFFSET_HOURS) % 24
        if not self.setting.is_outdoors:
            return self._indoors(point, hour, timestamp_seconds)
        return self._by_day(hour, timestamp_seconds) if is_day(hour) else self._by_night(point)

    def _by_day(self, hour: float, timestamp_seconds: float) -> GroundLight:
        course = (hour - _SUNRISE_HOUR) / (_SUNSET_HOUR - _SUNRISE_HOUR)
        altitude = 0.08 + self.noon_altitude * sin(pi * course)
        azimuth = self.sun_azimuth + (course - 0.5) * 2.6
        cloud = float(np.clip(self.cloudiness + 0.3 * self._wander(timestamp_seconds), 0, 1))
        warmth = np.asarray((1.0, 0.62 + 0.34 * sin(pi * course), 0.30 + 0.60 * sin(pi * course)), np.float32)
        blue = np.asarray((0.80, 0.93, 1.15), np.float32)
        grey = np.asarray((0.97, 1.0, 1.04), np.float32)
        # A clear sky gives a fifth to a third of the sun's light; clouds give it back.
        sky = (0.25 + 0.20 * sin(pi * course)) * ((1 - cloud) * blue + cloud * grey) * (1 + cloud)
        return GroundLight(
            (cos(altitude) * sin(azimuth), sin(altitude), cos(altitude) * cos(azimuth)),
            warmth * np.float32(1.5 * (1 - cloud) ** 1.5 + 0.05),
            sky.astype(np.float32),
            1 - cloud,
            is_infrared=False,
        )

    def _by_night(self, point: GroundPoint) -> GroundLight:
        if self.has_infrared:
            falloff = float(np.clip(60 / (point.x**2 + point.z**2), 0.3, 1.5))
            white = np.ones(3, np.float32)
            return GroundLight((0.0, 0.25, -0.968), white * falloff, white * 0.15, 0.0, is_infrared=True)
        direction, strength = self._nearest_lamp(point)
        color = np.asarray(self.lamp_color, np.float32)
        night = np.asarray((0.7, 0.85, 1.2), np.float32)
        return GroundLight(direction, color * strength, 0.2 * color + 0.08 * night, 0.7, is_infrared=False)

    def _indoors(self, point: GroundPoint, hour: float, timestamp_seconds: float) -> GroundLight:
        lamp = np.asarray(self.lamp_color, np.float32)
        daylight = self.window_strength * (max(0.0, sin(pi * (hour - 6) / 14)) if is_day(hour) else 0.0)
        daylight *= 1 + 0.3 * self._wander(timestamp_seconds)
        window = np.asarray((0.86, 0.97, 1.12), np.float32)
        direction, strength = self._nearest_lamp(point)
        strength *= self.lamp_strength
        if daylight > strength:
            aside = (sin(self.window_azimuth) * 0.94, 0.342, cos(self.window_azimuth) * 0.94)
            ambient = lamp * (0.35 + 0.4 * strength) + 0.2 * daylight * window
            return GroundLight(aside, window * daylight, ambient, 0.3, is_infrared=False)
        ambient = lamp * (0.75 - 0.45 * self.lamp_strength) + 0.35 * daylight * window
        return GroundLight(direction, lamp * strength, ambient, 0.5 * self.lamp_strength, is_infrared=False)

    def _nearest_lamp(self, point: GroundPoint) -> tuple[tuple[float, float, float], float]:
        """Direction to the nearest lamp of a grid, and its light: less between lamps."""
        spacing = self.lamp_spacing_meters
        dx = (point.x + self.phase + spacing / 2) % spacing - spacing / 2
        dz = (point.z + 2 * self.phase + spacing / 2) % spacing - spacing / 2
        reach = hypot(hypot(dx, dz), self.lamp_height_meters)
        strength = 1.2 * (self.lamp_height_meters / reach) ** 2 + 0.25
        return (-dx / reach, self.lamp_height_meters / reach, -dz / reach), strength

    def _wander(self, timestamp_seconds: float) -> float:
        turn = 2 * pi * timestamp_seconds / self.drift_seconds
        return 0.7 * sin(turn + self.phase) + 0.3 * sin(2.7 * turn)


def is_day(hour: float) -> bool:
    """Whether the sun is up at a local hour."""
    return _SUNRISE_HOUR <= hour < _SUNSET_HOUR


def sample_illumination(random: np.random.Generator) -> Illumination:
    """Draw the light of a camera: half of the cameras are out of doors."""
    setting = list(Setting)[int(random.choice(6, p=(0.28, 0.14, 0.14, 0.16, 0.14, 0.14)))]
    return Illumination(
        setting=setting,
        sun_azimuth=float(random.uniform(-pi, pi)),
        noon_altitude=float(random.uniform(0.35, 1.05)),
        cloudiness=float(random.beta(0.9, 0.9)),
        lamp_color=_sample_lamp_color(random, setting.is_outdoors),
        lamp_spacing_meters=float(random.uniform(8, 25) if setting.is_outdoors else random.uniform(2.5, 7)),
        lamp_height_meters=float(random.uniform(4, 8) if setting.is_outdoors else random.uniform(2.2, 5)),
        lamp_strength=float(random.uniform(0.2, 1.0)),
        window_azimuth=float(random.uniform(-pi, pi)),
        window_strength=float(random.uniform(0.4, 2.2)) if random.random() < 0.4 else 0.0,
        backlight=float(random.uniform(0.4, 1.5)) if random.random() < 0.08 else 0.0,
        has_infrared=bool(random.random() < 0.3),
        drift_seconds=float(random.uniform(300, 5000)),
        phase=float(random.uniform(0, 2 * pi)),
    )


def _sample_lamp_color(random: np.random.Generator, is_outdoors: bool) -> tuple[float, float, float]:
    """From candle-yellow to blue-white, some greenish as fluorescent tubes are; out of doors often sodium."""
    if is_outdoors and random.random() < 0.4:
        return 1.3, 0.75, 0.22
    warmth, green = random.normal(0.06, 0.20), random.normal(0.02, 0.06)
    return float(np.exp(warmth)), float(np.exp(green)), float(np.exp(-1.3 * warmth))

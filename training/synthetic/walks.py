"""Who walks past which camera when: groups that stay together, and the times between cameras."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi
from typing import NamedTuple

import numpy as np

from training.synthetic.random_streams import Stream, random_stream

# Shares of groups of one, two, three and four people.
_GROUP_SIZE_SHARES = (0.40, 0.35, 0.18, 0.07)
# From the last crop at one camera to the first at the next, over all pairs of cameras.
MEDIAN_TRANSIT_SECONDS = 40.0
# Of the way itself; the rest of the median is those who linger, and the slowest of a group. Found by trial.
_MEDIAN_WALKING_SECONDS = 27.0
# Pairs of cameras are nearer or farther from each other, and people walk at different speeds.
_DISTANCE_SPREAD, _SPEED_SPREAD = 0.45, 0.35
# Some linger on the way: a tail of Pareto's form with this exponent, which makes transit times a poor clock.
_LINGER_SHARE, _LINGER_SECONDS, _LINGER_EXPONENT = 0.15, 90.0, 1.3
_LONGEST_LINGER_SECONDS = 4 * 3600.0
# Some stand about before a camera, some come back the same way after a while.
_STANDING_SHARE, _RETURN_SHARE, _RETURN_SECONDS = 0.10, 0.12, 1200.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """How busy a network is.

    Attributes:
        seconds_between_groups: on average, between the arrivals of two groups.
        fewest_crops, most_crops: of one walk past a camera, about one a second. Temporal lifting with the paper's
            K = 100 pivots wants several: a person near the query then yields fewest_crops² right pairs in a camera.
    """

    seconds_between_groups: float = 80.0
    fewest_crops: int = 4
    most_crops: int = 7

    def __post_init__(self) -> None:
        if self.seconds_between_groups <= 0 or not 1 <= self.fewest_crops <= self.most_crops:
            raise ValueError(f"seconds_between_groups must be positive and 1 <= fewest_crops <= most_crops: {self}")


@dataclass(frozen=True, slots=True)
class Visit:
    """One person's walk past one camera.

    Attributes:
        number: of the visit among the person's own, from 0.
        heading: direction of the walk, radians, relative to the camera's path: 0 or pi.
        moments_seconds: when a crop was taken, ascending.
    """

    person: int
    camera: int
    group: int
    number: int
    heading: float
    companions: tuple[int, ...]
    moments_seconds: tuple[float, ...]


class _Group(NamedTuple):
    """People who walk together."""

    number: int
    members: tuple[int, ...]
    start_seconds: float


def schedule_walks(
    seed: int, num_people: int, num_cameras: int, start_seconds: float, traffic: Traffic
) -> Iterator[Visit]:
    """All visits, group after group; the times of different groups overlap."""
    for group in _arriving_groups(random_stream(seed, Stream.WALK), num_people, start_seconds, traffic):
        yield from _group_visits(seed, random_stream(seed, Stream.WALK, group.number), group, num_cameras, traffic)


def _arriving_groups(
    random: np.random.Generator, num_people: int, start_seconds: float, traffic: Traffic
) -> Iterator[_Group]:
    first_person, number = 0, 0
    while first_person < num_people:
        size = 1 + int(random.choice(len(_GROUP_SIZE_SHARES), p=_GROUP_SIZE_SHARES))
        members = tuple(range(first_person, min(first_person + size, num_people)))
        yield _Group(number, members, start_seconds)
        start_seconds += float(random.exponential(traffic.seconds_between_groups))
        first_person, number = first_person + size, number + 1


def _group_visits(
    seed: int, random: np.random.Generator, group: _Group, num_cameras: int, traffic: Traffic
) -> Iterator[Visit]:
    now = group.start_seconds
    route, turning_point = _route(random, num_cameras)
    for number, camera in enumerate(route):
        heading = float(random.choice((0.0, pi)))
        pause = float(random.uniform(3, 8)) if random.random() < _STANDING_SHARE else 1.0
        last = now
        for person in group.members:
            companions = tuple(member for member in group.members if member != person)
            moments = _moments(random, now, traffic, pause)
            last = max(last, moments[-1])
            yield Visit(person, camera, group.number, number, heading, companions, moments)
        if number + 1 < len(route):
            now = last + _transit_seconds(seed, random, camera, route[number + 1])
        if number == turning_point:
            now += float(random.exponential(_RETURN_SECONDS))


def _transit_seconds(seed: int, random: np.random.Generator, start: int, end: int) -> float:
    """The way between two cameras, the same length both ways, at the group's pace, and what they do on it."""
    distance = random_stream(seed, Stream.DISTANCE, min(start, end), max(start, end)).normal(0, _DISTANCE_SPREAD)
    walking = _MEDIAN_WALKING_SECONDS * float(np.exp(distance + random.normal(0, _SPEED_SPREAD)))
    if random.random() >= _LINGER_SHARE:
        return walking
    lingering = _LINGER_SECONDS * (1 + float(random.pareto(_LINGER_EXPONENT)))
    return walking + min(lingering, _LONGEST_LINGER_SECONDS)


def _route(random: np.random.Generator, num_cameras: int) -> tuple[list[int], int | None]:
    """Two to five cameras, each next to the one before on a ring; sometimes back again from a turning point."""
    camera = int(random.integers(num_cameras))
    if num_cameras == 1:
        return [camera], None
    step = int(random.choice((-1, 1)))
    length = int(random.integers(2, min(5, num_cameras) + 1))
    route = [(camera + step * number) % num_cameras for number in range(length)]
    if random.random() < _RETURN_SHARE:
        return [*route, *route[-2::-1]], length - 1
    return route, None


def _moments(random: np.random.Generator, start_seconds: float, traffic: Traffic, pause: float) -> tuple[float, ...]:
    now = start_seconds + float(random.uniform(0.0, 4.0))
    moments = []
    for _ in range(int(random.integers(traffic.fewest_crops, traffic.most_crops + 1))):
        moments.append(round(now, 3))
        now += pause * float(random.uniform(0.6, 1.6))
    return tuple(moments)

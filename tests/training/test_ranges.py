from dataclasses import dataclass
from math import inf, nan

import pytest

from training.ranges import check_range


@dataclass(frozen=True)
class Values:
    first: float = 0.5
    second: float = 0.5


@pytest.mark.parametrize(
    ("value", "bounds", "told"),
    [
        (-0.1, {"least": 0}, "second is -0.1: give at least 0"),
        (0.0, {"above": 0}, "second is 0.0: give more than 0"),
        (1.5, {"least": 0, "most": 1}, "second is 1.5: give at least 0 and at most 1"),
        (1.0, {"least": 0, "below": 1}, "second is 1.0: give at least 0 and less than 1"),
        (nan, {"least": 0}, "second is nan: give at least 0"),
        (inf, {"least": 0}, "second is inf: give at least 0"),
    ],
)
def test_a_value_out_of_its_bounds_is_told_with_them(value: float, bounds: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=f"^{told}$"):
        check_range(Values(second=value), "first", "second", **bounds)


def test_bounds_themselves_are_allowed_where_they_are_the_least_and_the_most() -> None:
    check_range(Values(0.0, 1.0), "first", "second", least=0, most=1)

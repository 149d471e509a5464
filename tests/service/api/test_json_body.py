import time
from decimal import Decimal

import pytest

from service.api.json_body import parse_json


def test_numbers_stay_exact() -> None:
    assert parse_json('{"timestamp": 1795168800.000003, "count": 7}') == {
        "timestamp": Decimal("1795168800.000003"),
        "count": 7,
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1,]",
        "NaN",
        "[-Infinity]",
        '{"a": 1, "a": 2}',
        '[{"camera_id": "a", "camera_id": "b"}]',
        "[" * 100_000,
        "1e99999999999999999999",
        "9" * 5000,
        b"\xff\xfe\xfa",
        b'"\xc3"',
    ],
)
def test_what_is_not_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (any message: what readers of JSON say differs)
        parse_json(text)


def test_a_name_that_comes_twice_is_named() -> None:
    with pytest.raises(ValueError, match="'camera_id' twice"):
        parse_json('[{"camera_id": "a", "camera_id": "b"}]')


def test_to_find_a_name_that_comes_twice_takes_no_time() -> None:
    names = ",".join(f'"{number}": 0' for number in range(100_000))
    began = time.monotonic()
    with pytest.raises(ValueError, match="'99999' twice"):
        parse_json(f'{{{names}, "99999": 0}}')
    assert time.monotonic() - began < 5  # To count each name anew took minutes.

"""What was wrong is named, and not a million times."""

from typing import Any

import pytest

from service.api.detection_requests import ManifestItem
from service.api.validation import validate_fields
from service.errors import InvalidField


def test_every_field_that_is_wrong_is_named() -> None:
    with pytest.raises(InvalidField) as refused:
        validate_fields(ManifestItem, {"file": "a", "camera_id": "/", "colour": "red"})
    assert {wrong.field for wrong in refused.value.field_errors} == {"camera_id", "timestamp", "colour"}


def test_of_very_many_unknown_fields_the_first_are_named() -> None:
    values: dict[str, Any] = {"file": "a"} | {f"u{number}": 0 for number in range(100_000)} | {"camera_id": "/"}
    with pytest.raises(InvalidField) as refused:
        validate_fields(ManifestItem, values)
    named = {wrong.field for wrong in refused.value.field_errors}
    assert named == {"camera_id", "timestamp", *(f"u{number}" for number in range(20))}

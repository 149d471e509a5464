"""Turns what pydantic found wrong into the service's field errors."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from service.api.fields import UploadedFile, show_value
from service.errors import FieldError, InvalidField

Model = TypeVar("Model", bound=BaseModel)

# Of more fields that are unknown, the first show what is wrong; to name each of a million takes half a minute.
_NAMED_UNKNOWN_FIELDS = 20


def validate_fields(model: type[Model], values: Mapping[str, Any], known_errors: Sequence[FieldError] = ()) -> Model:
    """The values as a model.

    Args:
        model: what they should be.
        values: by name of the field.
        known_errors: what is known to be wrong already; reported together with what is found.

    Raises:
        InvalidField: names every field that is missing or out of range, and the first that are unknown.
    """
    try:
        validated = model.model_validate(_without_most_unknown(model, values))
    except ValidationError as error:
        known_fields = {wrong.field for wrong in known_errors}
        _, found = describe_validation_errors(error.errors(include_url=False))
        raise invalid_fields(*known_errors, *(wrong for wrong in found if wrong.field not in known_fields)) from None
    if known_errors:
        raise invalid_fields(*known_errors)
    return validated


def _without_most_unknown(model: type[BaseModel], values: Mapping[str, Any]) -> Mapping[str, Any]:
    if len(values) <= len(model.model_fields) + _NAMED_UNKNOWN_FIELDS:
        return values
    unknown = islice((name for name in values if name not in model.model_fields), _NAMED_UNKNOWN_FIELDS)
    return {name: values[name] for name in (*(model.model_fields.keys() & values.keys()), *unknown)}


def invalid_fields(*errors: FieldError) -> InvalidField:
    """The error that names these fields."""
    return InvalidField(_summarise(errors), tuple(errors))


def invalid_field(field: str, message: str) -> InvalidField:
    """The error that names one field."""
    return invalid_fields(FieldError(field, message))


def describe_validation_errors(errors: Iterable[Any]) -> tuple[str, tuple[FieldError, ...]]:
    """A summary, and for each of pydantic's errors the field as the client named it and what to do about it."""
    found = tuple(FieldError(".".join(map(str, error["loc"])), _explain(error)) for error in errors)
    return _summarise(found), found


def _summarise(errors: Sequence[FieldError]) -> str:
    return "; ".join(f"{wrong.field}: {wrong.message}" if wrong.field else wrong.message for wrong in errors)


def _explain(error: Mapping[str, Any]) -> str:
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "extra_forbidden":
        return "is not a field of this call"
    message = str(error["msg"])
    value = error.get("input")
    is_quoted = error["type"] in ("identifier", "time", "number", "rule") or isinstance(
        value, UploadedFile | Mapping | list
    )
    return message if is_quoted else f"{message}, got {show_value(value)}"

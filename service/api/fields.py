"""The types of the fields that clients send, with messages that say the value, the limit and what to do."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from service.api.moments import END_OF_TIME_SECONDS, parse_moment

_IDENTIFIER = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_WHOLE_NUMBER = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SHOWN_LENGTH = 60


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A part of a form that was sent as a file, wholly read."""

    name: str
    content: bytes


def is_identifier(value: str) -> bool:
    """Whether a text is an ID: 1 to 128 of the characters A-Z a-z 0-9 . _ : -."""
    return _IDENTIFIER.fullmatch(value) is not None


def show_value(value: object) -> str:
    """A value as messages quote it, shortened."""
    shown = repr(value)
    return shown if len(shown) <= _SHOWN_LENGTH else f"{shown[:_SHOWN_LENGTH]}… ({len(shown)} characters)"


def _check_identifier(value: object) -> str:
    if not isinstance(value, str) or not is_identifier(value):
        raise PydanticCustomError(
            "identifier",
            "{shown} is not an ID: send 1 to 128 of the characters A-Z a-z 0-9 . _ : -",
            {"shown": show_value(value)},
        )
    return value


def _check_moment(value: object) -> int:
    try:
        return parse_moment(value)
    except ValueError as error:
        raise PydanticCustomError("time", "{reason}", {"reason": str(error)}) from error


def _check_whole_number(value: object) -> object:
    """Refuses spellings that only Python takes for a number, such as 1_0."""
    if isinstance(value, str) and not _WHOLE_NUMBER.fullmatch(value):
        raise PydanticCustomError(
            "number", "{shown} is not a whole number: send digits, such as 10", {"shown": show_value(value)}
        )
    return value


def _check_number(value: object) -> object:
    """Likewise; nan and inf are no numbers either."""
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise PydanticCustomError(
            "number", "{shown} is not a number: send a decimal one, such as 0.5", {"shown": show_value(value)}
        )
    return value


_IDENTIFIER_SCHEMA: dict[str, Any] = {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"}
_MOMENT_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "number", "minimum": 0, "exclusiveMaximum": END_OF_TIME_SECONDS},
    ],
    "description": "RFC 3339 or ISO 8601 with an offset, or Unix seconds; from 1970 to before 2200. What is finer than "
    "a microsecond is rounded down.",
    "examples": ["2026-11-20T10:00:00Z", 1795168800.5],
}

Identifier = Annotated[str, BeforeValidator(_check_identifier), WithJsonSchema(_IDENTIFIER_SCHEMA)]
Moment = Annotated[int, BeforeValidator(_check_moment), WithJsonSchema(_MOMENT_SCHEMA)]
WholeNumber = Annotated[int, BeforeValidator(_check_whole_number)]
Number = Annotated[float, BeforeValidator(_check_number)]
ImageFile = Annotated[UploadedFile, WithJsonSchema({"type": "string", "format": "binary"})]

"""Reads forms, strictly: every field known, sent once unless it is a list, as a file or as text as it should be."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from service.api.fields import UploadedFile
from service.api.validation import Model, validate_fields
from service.errors import FieldError, LimitExceeded, MalformedBody, UnsupportedBody

MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"

# How python's multipart parser begins its complaints about its limits; whatever else it says is a malformed body.
_LIMIT_COMPLAINTS = ("Too many", "Part exceeded", "Field exceeded")


class Form(BaseModel):
    """A form's fields. A field may be text, an `ImageFile`, or a list of either."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class FormLimits:
    """How much a form may hold besides what its whole body may."""

    max_files: int = 16
    max_texts: int = 1024
    max_text_bytes: int = 64 * 1024


async def read_form(request: Request, model: type[Model], limits: FormLimits | None = None) -> Model:
    """The form that a request carries.

    Args:
        request: with a multipart or urlencoded body.
        model: the fields that there may be.
        limits: those of the parser; a form that passes them is refused while it is read.

    Raises:
        InvalidField: names every field that is missing, unknown, repeated, of the wrong kind or out of range.
        UnsupportedBody: neither multipart nor urlencoded.
        MalformedBody: it cannot be read.
        LimitExceeded: too many parts, or too long a text.
    """
    _check_content_type(request)
    limits = limits or FormLimits()
    try:
        async with _parsed(request, limits) as form:
            values, errors = await _collect(form.multi_items(), model)
    except (HTTPException, MultiPartException) as error:
        complaint = error.message if isinstance(error, MultiPartException) else error.detail
        raise _explain_parser(complaint, limits) from error
    return validate_fields(model, values, errors)


def describe_form(model: type[BaseModel], *media_types: str) -> dict[str, Any]:
    """The OpenAPI extension that declares a form as a call's request body; multipart, and `media_types`."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    content = {media_type: {"schema": schema} for media_type in (MULTIPART, *media_types)}
    return {"requestBody": {"required": True, "content": content}}


class _PartsInMemory(MultiPartParser):
    """Keeps files in memory: a picture of somebody has no business in a temporary directory. The body is bounded."""

    spool_max_size = 0  # never


@asynccontextmanager
async def _parsed(request: Request, limits: FormLimits) -> AsyncIterator[FormData]:
    limits_of_parser = {"max_fields": limits.max_texts, "max_part_size": limits.max_text_bytes}
    if _media_type(request) == URLENCODED:
        async with request.form(**limits_of_parser) as form:
            yield form
        return
    async with aclosing(request.stream()) as stream:
        parser = _PartsInMemory(request.headers, stream, max_files=limits.max_files, **limits_of_parser)
        form = await parser.parse()
    try:
        yield form
    finally:
        await form.close()


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "none").partition(";")[0].strip().lower()


def _check_content_type(request: Request) -> None:
    sent = request.headers.get("content-type", "none")
    if _media_type(request) not in (MULTIPART, URLENCODED):
        raise UnsupportedBody(f"Content-Type is {sent[:100]!r}: send a form, {MULTIPART} (with curl: -F field=value)")


def _explain_parser(complaint: str, limits: FormLimits) -> LimitExceeded | MalformedBody:
    if complaint.startswith(_LIMIT_COMPLAINTS):
        return LimitExceeded(
            f"the form is too large: at most {limits.max_files} files and {limits.max_texts} text fields of at most "
            f"{limits.max_text_bytes} bytes are taken. Send fewer at once; and give an image a file name "
            '(filename="crop.jpg" in its part), for a part without one is text.'
        )
    return MalformedBody(f"the form cannot be read: {complaint}")


async def _collect(
    items: Iterable[tuple[str, str | UploadFile]], model: type[BaseModel]
) -> tuple[dict[str, Any], list[FieldError]]:
    """The values by field, and what is wrong with how they were sent. Files of no use are not read."""
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for name, value in items:
        error = _check_part(name, value, model, values)
        if error is not None:
            errors.append(error)
            values.setdefault(name, [] if _is_list(model, name) else None)
        elif _is_list(model, name):
            values.setdefault(name, []).append(await _read_part(value))
        else:
            values[name] = await _read_part(value)
    return values, errors


def _check_part(
    name: str, value: str | UploadFile, model: type[BaseModel], values: dict[str, Any]
) -> FieldError | None:
    if name not in model.model_fields:
        return FieldError(name, "is not a field of this call")
    kinds = _kinds(model, name)
    if isinstance(value, UploadFile) and UploadedFile not in kinds:
        return FieldError(name, "is text, but was sent as a file (with curl: -F field=value, without @)")
    if isinstance(value, str) and kinds <= {UploadedFile}:
        return FieldError(
            name,
            f"is a file, but came as text: give its part a file name (with curl: -F {name}=@crop.jpg; in a header: "
            f'Content-Disposition: form-data; name="{name}"; filename="crop.jpg")',
        )
    if name in values and not _is_list(model, name):
        return FieldError(name, "was sent more than once")
    return None


async def _read_part(value: str | UploadFile) -> str | UploadedFile:
    return value if isinstance(value, str) else UploadedFile(value.filename or "", await value.read())


def _is_list(model: type[BaseModel], name: str) -> bool:
    return name in model.model_fields and get_origin(model.model_fields[name].annotation) is list


def _kinds(model: type[BaseModel], name: str) -> set[object]:
    """The types that a field's value, or each of a list's values, may have, other than None."""
    annotation: object = model.model_fields[name].annotation
    if get_origin(annotation) is list:
        (annotation,) = get_args(annotation)
    choices: Sequence[object] = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else [annotation]
    return {_plain(choice) for choice in choices} - {NoneType}


def _plain(annotation: object) -> object:
    """`str` of `Annotated[str, ...]`."""
    return getattr(annotation, "__origin__", annotation) if hasattr(annotation, "__metadata__") else annotation

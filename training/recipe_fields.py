"""Changes fields of a recipe by their dotted names, as the command line gives them."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

_Record = TypeVar("_Record")
_MOST_NEAR = 3
_ALL_FIELDS = "--list-fields shows all"
# By names of fields and places in tuples, the new value or what changes within.
_Changes = dict[str, Any]


def set_fields(record: _Record, settings: Sequence[str]) -> _Record:
    """A record with some fields changed, all at once: parts that must fit each other can change together.

    Args:
        record: a frozen dataclass, whose fields may be dataclasses again, or tuples of them.
        settings: each FIELD=VALUE; a field of a part is named as `optimizer.momentum`, one of the first of several
            as `stages.0.epochs`.

    Raises:
        ValueError: there is no such field, the value is not of its type, or the parts no longer fit each other.
    """
    changes: _Changes = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"{setting!r} is no FIELD=VALUE; for instance seed=2. {_ALL_FIELDS}")
        path = name.split(".")
        try:
            value = _parse(text, _type_at(record, path))
        except KeyError as error:
            near = get_close_matches(name, [known for known, _ in list_fields(record)], _MOST_NEAR)
            hint = f"; do you mean {' or '.join(near)}?" if near else "."
            raise ValueError(f"there is no field {name!r}{hint} {_ALL_FIELDS}") from error
        except ValueError as error:
            raise ValueError(f"{name}={text}: {error}") from error
        branch = changes
        for part in path[:-1]:
            branch = branch.setdefault(part, {})
        branch[path[-1]] = value
    try:
        changed: _Record = _change(record, changes)
    except ValueError as error:
        raise ValueError(f"{', '.join(settings)}: {error}") from error
    return changed


def list_fields(record: Any, prefix: str = "") -> Iterator[tuple[str, object]]:  # noqa: ANN401 (dataclasses of any kind)
    """The dotted names of all fields that can be set, with their values."""
    for field in fields(record):
        value, name = getattr(record, field.name), prefix + field.name
        if is_dataclass(value):
            yield from list_fields(value, f"{name}.")
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            for place, part in enumerate(value):
                yield from list_fields(part, f"{name}.{place}.")
        else:
            yield name, value


def _type_at(record: Any, path: list[str]) -> Any:  # noqa: ANN401 (dataclasses of any kind; a type as annotations give it)
    name, rest = path[0], path[1:]
    if isinstance(record, tuple):
        if name not in map(str, range(len(record))) or not rest:
            raise KeyError(name)
        return _type_at(record[int(name)], rest)
    if not is_dataclass(record) or name not in {field.name for field in fields(record)}:
        raise KeyError(name)
    return _type_at(getattr(record, name), rest) if rest else get_type_hints(type(record))[name]


def _change(record: Any, changes: _Changes) -> Any:  # noqa: ANN401 (dataclasses of any kind)
    if isinstance(record, tuple):
        return tuple(_change(part, changes.get(str(place), {})) for place, part in enumerate(record))
    if not changes:
        return record
    changed = {
        name: _change(getattr(record, name), change) if isinstance(change, dict) else change
        for name, change in changes.items()
    }
    return replace(record, **changed)


def _parse(text: str, kind: Any) -> Any:  # noqa: ANN401 (a type as annotations give it)
    origin = get_origin(kind)
    if origin is Literal:
        allowed = {str(value): value for value in get_args(kind)}
        if text not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}")
        return allowed[text]
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError("expected true or false")
        return text == "true"
    if kind is str:
        return text
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError as error:
            raise ValueError(f"expected {'a whole number' if kind is int else 'a number'}") from error
    if origin is tuple and not any(is_dataclass(part) for part in get_args(kind)):
        kinds, parts = get_args(kind), text.split(",")
        if len(kinds) != len(parts):
            raise ValueError(f"expected {len(kinds)} values with commas between them")
        return tuple(_parse(part, one) for part, one in zip(parts, kinds, strict=True))
    raise ValueError(f"this is made of parts ({_type_name(kind)}): set them one by one")


def _type_name(kind: Any) -> str:  # noqa: ANN401 (a type as annotations give it)
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_type_name(one) for one in get_args(kind))
    return getattr(kind, "__name__", str(kind))

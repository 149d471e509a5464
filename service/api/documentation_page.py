"""The page at `/docs`: the OpenAPI document for people. It loads nothing from elsewhere, and needs no script."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h2 { margin-top: 2.5rem; font-size: 1.1rem; } code { font-size: .95em; } .method { color: #0b5394; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; font-weight: 600; padding: .5rem 0; }
td, th { border-top: 1px solid #ddd; padding: .25rem .5rem; text-align: left; vertical-align: top; }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #ddd; } .method { color: #8ab4f8; }
td, th { border-color: #444; } a { color: #8ab4f8; } }
"""

_LIMITS = ("enum", "pattern", "exclusiveMinimum", "minimum", "maximum", "exclusiveMaximum", "maxLength")


def render_documentation(document: Mapping[str, Any]) -> str:
    """An HTML page that lists every call of an OpenAPI document, with its fields and its answers."""
    title = escape(document["info"]["title"])
    calls = "".join(
        _render_call(document, method, path, call)
        for path, calls in document["paths"].items()
        for method, call in calls.items()
    )
    prefix = "".join(f" Paths begin with {escape(server['url'])}." for server in document.get("servers", ()))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><h1>{title}</h1>'
        f"<p>{escape(document['info'].get('description', ''))}{prefix}</p>"
        f'<p>For programs: <a href="openapi.json">openapi.json</a></p>{calls}</body></html>'
    )


def _render_call(document: Mapping[str, Any], method: str, path: str, call: Mapping[str, Any]) -> str:
    heading = f'<span class="method">{method.upper()}</span> {escape(path)}'
    identity = escape(call["operationId"])
    return (
        f'<section><h2 id="{identity}"><code>{heading}</code></h2>'
        f"<p>{escape(call['summary'])}. {escape(call.get('description', ''))}</p>"
        + _render_scopes(call)
        + _render_table("Fields", ("name", "where", "default", "meaning"), _list_fields(document, call))
        + _render_table("Answers", ("status", "type", "meaning"), _list_answers(call))
        + _render_table("Members of the answer", ("name", "meaning"), _list_members(document, call))
        + "</section>"
    )


def _render_scopes(call: Mapping[str, Any]) -> str:
    scopes = [scope for requirement in call.get("security", ()) for names in requirement.values() for scope in names]
    return f"<p>Needs an API key with the scope {escape(', '.join(scopes))}.</p>" if scopes else ""


def _render_table(caption: str, headings: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    if not body:
        return ""
    head = "".join(f"<th>{heading}</th>" for heading in headings)
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _list_fields(document: Mapping[str, Any], call: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for parameter in call.get("parameters", ()):
        about = {**parameter["schema"], **parameter}
        yield _describe_field(parameter["name"], parameter["in"], about, parameter.get("required", False))
    bodies = call.get("requestBody", {}).get("content", {})
    for reference in dict.fromkeys(body["schema"]["$ref"] for body in bodies.values()):
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
        for name, about in schema.get("properties", {}).items():
            yield _describe_field(name, " or ".join(bodies), about, name in schema.get("required", ()))


def _describe_field(name: str, where: str, about: Mapping[str, Any], is_required: bool) -> tuple[str, ...]:
    default = "required" if is_required else str(about.get("default", "none"))
    return name, where, "none" if default == "None" else default, _describe_schema(about)


def _describe_schema(about: Mapping[str, Any]) -> str:
    """The type in a word, its limits, and what the field means."""
    choices = [choice for choice in _with_alternatives(about) if choice.get("type") != "null"]
    limits = {name: choice[name] for choice in choices for name in _LIMITS if name in choice}
    kinds = " or ".join(kind for choice in choices for kind in _kinds(choice))
    meanings = dict.fromkeys(choice.get("description", "") for choice in choices)
    parts = [kinds, *(f"{name} {value}" for name, value in limits.items()), *meanings]
    return "; ".join(part for part in parts if part)


def _with_alternatives(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A schema and all that it may be, and what these may be."""
    yield schema
    for choice in schema.get("anyOf", ()):
        yield from _with_alternatives(choice)


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _list_answers(call: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for status, answer in sorted(call["responses"].items()):
        yield status, ", ".join(answer.get("content", {})), answer["description"]


def _list_members(document: Mapping[str, Any], call: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The members of what a call answers as JSON where it succeeds, those inside of others by their path."""
    schemas = [
        answer["content"]["application/json"]["schema"]
        for status, answer in sorted(call["responses"].items())
        if status.startswith("2") and "application/json" in answer.get("content", {})
    ]
    if schemas:
        yield from _walk_members(document, schemas[0], "")


def _walk_members(document: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for choice in _with_alternatives(schema):
        if "$ref" in choice:
            about = document["components"]["schemas"][choice["$ref"].rpartition("/")[2]]
            for name, member in about.get("properties", {}).items():
                yield f"{path}{name}", _describe_schema(member)
                yield from _walk_members(document, member, f"{path}{name}.")
        elif "items" in choice:
            yield from _walk_members(document, choice["items"], f"{path.removesuffix('.')}[].")

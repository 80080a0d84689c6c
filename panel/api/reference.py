"""The API's reference as data that a template draws: resources, operations, the fields of bodies and answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")
DEEPEST = 3  # levels of objects in objects that are written out


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a body, or a parameter: `name` is a dotted path, `kind` its type in words."""

    name: str
    kind: str
    required: bool
    text: str
    where: str = ""
    """Of a parameter: path, query or header."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call: what it does, what it takes, what it answers."""

    id: str
    method: str
    path: str
    summary: str
    text: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    status: str
    answer: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Resource:
    name: str
    operations: tuple[Operation, ...]


def resources(schema: Mapping[str, Any]) -> list[Resource]:
    """Everything that an OpenAPI description holds, by resource, in the order of its paths."""
    found: dict[str, list[Operation]] = {}
    for path, operations in schema["paths"].items():
        for method in METHODS:
            if (operation := operations.get(method)) is not None:
                found.setdefault(operation["tags"][0], []).append(_operation(schema, path, method, operation))
    return [Resource(name, tuple(operations)) for name, operations in found.items()]


def _operation(schema: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Operation:
    status, answer = next(
        ((code, each) for code, each in operation["responses"].items() if str(code).startswith("2")), ("", {})
    )
    summary, _, text = str(operation.get("description", "")).partition("\n")
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=summary,
        text=text.strip(),
        parameters=tuple(
            Field(
                name=each["name"],
                kind=_kind(schema, each["schema"]),
                required=each.get("required", False),
                text=each.get("description", ""),
                where=each["in"],
            )
            for each in operation.get("parameters", ())
        ),
        body=tuple(_fields(schema, _content(operation.get("requestBody", {})))),
        status=str(status),
        answer=tuple(_fields(schema, _content(answer))),
    )


def _content(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    contents: list[Mapping[str, Any]] = list(holder.get("content", {}).values())
    found: Mapping[str, Any] = contents[0].get("schema", {}) if contents else {}
    return found


def _resolved(schema: Mapping[str, Any], shape: Mapping[str, Any]) -> Mapping[str, Any]:
    """The shape behind references, and behind an `allOf` of one."""
    while "$ref" in shape or len(shape.get("allOf", ())) == 1:
        shape = (
            schema["components"]["schemas"][shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape["allOf"][0]
        )
    return shape


def _fields(schema: Mapping[str, Any], shape: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[Field]:
    shape = _resolved(schema, shape)
    if shape.get("type") == "array":
        yield from _fields(schema, shape["items"], f"{prefix}[].".replace(".[]", "[]"), depth)
        return
    required = shape.get("required", ())
    for name, each in shape.get("properties", {}).items():
        there = _resolved(schema, each)
        text = each.get("description") or there.get("description", "")
        yield Field(f"{prefix}{name}", _kind(schema, each), name in required, text)
        inner = _resolved(schema, there["items"]) if there.get("type") == "array" else there
        if inner.get("properties") and depth + 1 < DEEPEST:
            dots = "[]." if there.get("type") == "array" else "."
            yield from _fields(schema, inner, f"{prefix}{name}{dots}", depth + 1)


def _kind(schema: Mapping[str, Any], shape: Mapping[str, Any]) -> str:
    """A type in words: `string, one of a, b`, `list of integer`, `date-time or null`."""
    shape = _resolved(schema, shape)
    null = shape.get("nullable", False)
    choices = list(shape.get("oneOf", ()) or shape.get("anyOf", ()))
    if choices:
        words = " or ".join(dict.fromkeys(_kind(schema, each) for each in choices))
    elif "enum" in shape:
        null = null or None in shape["enum"]
        words = "one of " + ", ".join(str(each) or "(empty)" for each in shape["enum"] if each is not None)
    elif shape.get("type") == "array":
        words = f"list of {_kind(schema, shape['items'])}"
    else:
        words = str(shape.get("format") or shape.get("type") or "any")
    return f"{words} or null" if null else words

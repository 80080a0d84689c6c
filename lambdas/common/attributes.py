"""Plain values as DynamoDB's attributes, and back."""

from collections.abc import Mapping
from typing import Any


def pack(values: Mapping[str, object]) -> dict[str, Any]:
    """As DynamoDB takes them. Raises TypeError for what is neither text, whole number, boolean, list nor mapping."""
    return {name: _to_attribute(value) for name, value in values.items()}


def _to_attribute(value: object) -> dict[str, Any]:
    match value:
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case str():
            return {"S": str(value)}
        case list():
            return {"L": [_to_attribute(each) for each in value]}
        case dict():
            return {"M": pack(value)}
    raise TypeError(f"{type(value).__name__} has no place in a table")


def unpack(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values."""
    return {name: _from_attribute(value) for name, value in attributes.items()}


def _from_attribute(attribute: Mapping[str, Any]) -> Any:
    [(kind, value)] = attribute.items()
    match kind:
        case "N":
            return int(value)
        case "L":
            return [_from_attribute(each) for each in value]
        case "M":
            return unpack(value)
        case "NULL":
            return None
    return value

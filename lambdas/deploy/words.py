"""How what a file says is told to people."""

from typing import Any

from lambdas.deploy.psych import to_text

_MOST = 100


def short(value: Any) -> str:
    """A value in at most a hundred characters."""
    if isinstance(value, list | dict):
        return "something that is no text"
    text = to_text(value) or "a blank"
    return text if len(text) <= _MOST else text[: _MOST - 3] + "..."


def written(name: str, value: Any) -> str:
    """A field and its value."""
    if value is None:
        return f"no {name}"
    return f"a {name} that is no single value" if isinstance(value, list | dict) else f"{name}: {short(value)}"


def is_list(value: Any) -> bool:
    """Whether the agent can go through it; an empty mapping has nothing that it would stumble over."""
    return isinstance(value, list) or value == {}

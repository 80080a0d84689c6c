"""Reading a function's environment once, into a frozen dataclass."""

import os


def required(name: str) -> str:
    """The variable's value. Raises RuntimeError if the template did not set it."""
    value = os.environ.get(name, "")
    if not value:
        raise RuntimeError(f"The environment variable {name} is not set")
    return value


def optional(name: str, default: str = "") -> str:
    """The variable's value, or the default if it is missing or empty."""
    return os.environ.get(name, "") or default


def integer(name: str, default: int) -> int:
    """The variable as a number, or the default if it is missing or empty. Raises ValueError for anything else."""
    return int(optional(name, str(default)))


def boolean(name: str, *, default: bool) -> bool:
    """The variable as true or false, or the default if it is missing or empty. Raises ValueError for anything else."""
    value = optional(name, str(default)).lower()
    if value not in ("true", "false"):
        raise ValueError(f"The environment variable {name} is neither true nor false")
    return value == "true"

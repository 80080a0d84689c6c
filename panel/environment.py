"""Reads settings from the environment: typed, each also from a file (`<NAME>_FILE`), each documented."""

import base64
import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured


@dataclass(slots=True)
class Environment:
    """The process environment, with one method a type.

    A value is `NAME`, or the stripped contents of the file named by `NAME_FILE` (how Docker and Kubernetes hand
    over secrets). Every method takes the default, and a sentence that says what the setting is for; `documented`
    collects these sentences for docs/settings.md. Raises ImproperlyConfigured, naming the variable and never its
    value, when a value is missing or does not parse.
    """

    documented: dict[str, str] = field(default_factory=dict)

    def text(self, name: str, default: str | None = None, *, help: str) -> str:  # noqa: A002
        self.documented[name] = help
        value = os.environ.get(name)
        if value is None and (path := os.environ.get(f"{name}_FILE")):
            try:
                value = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}") from error
        if value is not None:
            return value
        if default is None:
            raise ImproperlyConfigured(f"Set {name} (or {name}_FILE): {help}")
        return default

    def flag(self, name: str, default: bool, *, help: str) -> bool:  # noqa: A002
        value = self.text(name, str(default), help=help).strip().lower()
        if value in {"1", "true", "yes", "on"}:
            return True
        if value in {"", "0", "false", "no", "off"}:
            return False
        raise ImproperlyConfigured(f"{name} must be true or false")

    def number(self, name: str, default: int, *, help: str) -> int:  # noqa: A002
        try:
            return int(self.text(name, str(default), help=help))
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} must be a whole number") from error

    def choice(self, name: str, choices: tuple[str, ...], *, help: str) -> str:  # noqa: A002
        """One of `choices`, of which the first is the default."""
        value = self.text(name, choices[0], help=help).strip()
        if value not in choices:
            raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}")
        return value

    def items(self, name: str, default: str = "", *, help: str) -> list[str]:  # noqa: A002
        """A comma separated list; blanks are dropped."""
        return [item.strip() for item in self.text(name, default, help=help).split(",") if item.strip()]

    def hours(self, name: str, *, help: str) -> tuple[time, time] | None:  # noqa: A002
        """A span of the day, `01:00-05:00`, which may go past midnight; None if it is empty."""
        value = self.text(name, "", help=help).strip()
        if not value:
            return None
        try:
            begin, end = (time.fromisoformat(part.strip()) for part in value.split("-"))
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} must be two times such as 01:00-05:00") from error
        return begin, end

    def keys(self, name: str, *, help: str) -> list[bytes]:  # noqa: A002
        """A comma separated list of keys, each 32 bytes in base64; at least one."""
        try:
            keys = [base64.b64decode(item, validate=True) for item in self.items(name, help=help)]
        except ValueError:  # the error would show a part of the key
            keys = []
        if not keys or any(len(key) != 32 for key in keys):
            raise ImproperlyConfigured(
                f"{name} must be 32 random bytes in base64: `openssl rand -base64 32` makes them"
            )
        return keys

    def database(self, name: str, *, help: str) -> dict[str, Any]:  # noqa: A002
        """A `postgresql://user:password@host:port/name` URL as an entry of DATABASES."""
        import environ

        url, config = self.text(name, help=help), dict[str, Any]()
        if url.startswith(("postgresql://", "postgres://")):  # what else it is given, it shows in a warning
            with suppress(ValueError):  # which may show a part of the password
                config = environ.Env.db_url_config(url)
        if not config:
            raise ImproperlyConfigured(f"{name} must be a postgresql:// URL, its parts percent-encoded")
        return config


def mail_settings(url: str) -> dict[str, Any]:
    """Django's settings for a mail server's URL; empty: messages go nowhere. Raises ImproperlyConfigured."""
    import environ

    if not url:
        return {"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}
    if url.partition("://")[0] not in environ.Env.EMAIL_SCHEMES:  # what else it is given, it shows in an error
        raise ImproperlyConfigured("EMAIL_URL must begin with smtp+tls://, smtp+ssl://, smtp:// or consolemail://")
    try:
        config = environ.Env.email_url_config(url)
    except ValueError as error:  # which may show a part of the password
        raise ImproperlyConfigured("EMAIL_URL is not a URL, its parts percent-encoded") from error
    return {name: value for name, value in config.items() if name.startswith("EMAIL_") and name != "EMAIL_FILE_PATH"}

"""What a provider answered, and what its status means.

Part of `integrations.http`, which hands these on.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from integrations.errors import (
    CredentialsRejected,
    NotFoundAtProvider,
    PermissionMissing,
    ProviderError,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnreachable,
    UnexpectedAnswer,
)

MAX_QUOTE = 300  # characters of a provider's own words in a message


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider answered. `url` is where it came from, after redirects."""

    status: int
    headers: Mapping[str, str]
    """Looked up whatever the case of the name."""
    content: bytes
    url: str
    next_url: str | None = None
    """The next page, by the Link header (RFC 8288)."""

    def json(self) -> Any:
        """The parsed body. Raises UnexpectedAnswer if it is no JSON."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            host = urlsplit(self.url).netloc
            raise UnexpectedAnswer(
                f"{host} answered something that is not JSON.",
                remedy="Check the address: it must be the one under which the provider's own pages open.",
                field="base_url",
            ) from None

    @property
    def message(self) -> str:
        """The provider's own words, in one line: `message`, or what `error` says, and the messages of `errors`.

        `error` is an object with a `message` at Bitbucket Cloud, a word beside `error_description` in OAuth (RFC 6749,
        5.2), and the whole message elsewhere.
        """
        try:
            body = json.loads(self.content)
        except (ValueError, RecursionError):
            return ""
        if not isinstance(body, dict):
            return ""
        errors = body.get("errors")
        errors = errors if isinstance(errors, list) else []
        error = body.get("error_description") or body.get("error")
        said = [body.get("message") or (error.get("message") if isinstance(error, dict) else error)]
        said += [error.get("message") if isinstance(error, dict) else error for error in errors]
        words = " ".join("; ".join(text.strip() for text in said if isinstance(text, str) and text.strip()).split())
        return "".join(filter(str.isprintable, words))[:MAX_QUOTE]


Explain = Callable[[Answer], ProviderError | None]


class Tokens(Protocol):
    """Bearer tokens that do not last: each call signs in with the one of the moment."""

    def current(self) -> str:
        """A token to use now. Raises ProviderError."""

    def refused(self, token: str) -> bool:
        """Note that the provider did not accept this one; whether another one is worth a try."""


def by_status(answer: Answer, host: str) -> ProviderError:
    """The error that the status alone tells of."""
    quote = f": {answer.message}" if answer.message else f" ({answer.status})"
    error: ProviderError
    match answer.status:
        case 401:
            error = CredentialsRejected(f"{host} does not accept the credentials{quote}.", remedy="Enter new ones.")
        case 403:
            error = PermissionMissing(f"{host} does not allow this{quote}.")
        case 404 | 410:
            error = NotFoundAtProvider(f"{host} has no such thing, or these credentials may not see it{quote}.")
        case 429:
            error = ProviderRateLimited(f"{host} asks for fewer calls{quote}.", retry_after=retry_after(answer) or 60)
        case status if status >= 500:
            error = ProviderUnreachable(f"{host} reported a server error{quote}.", retry_after=retry_after(answer))
        case status if status >= 400:
            error = ProviderRefused(f"{host} rejected the request{quote}.")
        case _:
            error = UnexpectedAnswer(f"{host} redirects a call that must not be redirected.", field="base_url")
    return error


def retry_after(answer: Answer) -> int | None:
    """Seconds by the Retry-After header, None without one. (As a date it is rare, and treated as absent.)"""
    value = answer.headers.get("Retry-After", "")
    return int(value) if value.isascii() and value.isdigit() else None

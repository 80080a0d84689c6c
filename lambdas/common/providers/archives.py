"""Where a provider serves a commit as a zip, and how one shows who asks."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field

from lambdas.common.provider_secret import ProviderSecret


@dataclass(frozen=True, slots=True)
class Consumer:
    """An OAuth consumer, which gets an access token for its key and secret (RFC 6749, section 4.4)."""

    token_url: str
    key: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    """What to ask for. `credentials` are headers for the provider alone; a `consumer` has yet to get them."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, str] = field(default_factory=dict, repr=False)
    consumer: Consumer | None = None
    folder: str | None = None
    """The leading folder of the archive's entries, where the provider may be set up to send none; else it has one,
    whatever it is called."""


Archive = Callable[[str, str, str, ProviderSecret], ArchiveRequest]
"""(API root, full name, commit, secrets) -> what to ask for."""


FindConsumer = Callable[[str, ProviderSecret], Consumer | None]
"""(API root, secrets) -> the OAuth consumer that signs in, if one does."""


def no_consumer(api_url: str, secret: ProviderSecret) -> None:
    """Of a provider without any."""


GitCredentials = Callable[[ProviderSecret], dict[str, str]]
"""Headers that open the provider's repositories to git over HTTPS; none without a token."""


def basic(user: str, password: str) -> dict[str, str]:
    """Credentials as HTTP Basic has them."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def git_basic(user: str, token: str) -> dict[str, str]:
    """A token as git sends it, after a user name of the provider's choice; nothing for an empty one."""
    return basic(user, token) if token else {}


def bearer(token: str) -> dict[str, str]:
    """A token as RFC 6750 has it; nothing for an empty one."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def basic_or_bearer(token: str) -> dict[str, str]:
    """A token of a person goes with the e-mail address or name, `email:token`; one of a repository is alone."""
    user, colon, password = token.rpartition(":")
    return basic(user, password) if colon else bearer(token)

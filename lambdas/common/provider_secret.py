"""The provider's secrets as a stack keeps them, and a cache that notices their rotation."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

MAX_AGE = 60.0
"""Seconds for which a read secret is used."""
MIN_INTERVAL = 5.0
"""Seconds between two reads, however many forged requests come in."""


@dataclass(frozen=True, slots=True)
class ProviderSecret:
    """JSON value of the secret PROVIDER_SECRET_ARN. Empty text means absent."""

    webhook_secret: str = field(default="", repr=False)
    webhook_secret_previous: str = field(default="", repr=False)
    git_token: str = field(default="", repr=False)
    oauth_key: str = field(default="", repr=False)
    oauth_secret: str = field(default="", repr=False)
    app_id: str = field(default="", repr=False)
    """Of a GitHub App that signs in for its installation, in place of a token."""
    installation_id: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    """The app's, in PEM format."""

    @classmethod
    def from_json(cls, text: str) -> "ProviderSecret":
        """Read the secret's value; keys that we do not know are left alone. Raises ValueError without quoting it."""
        try:
            document = json.loads(text)
        except ValueError:
            raise ValueError("The provider's secret is not JSON") from None
        if not isinstance(document, dict):
            raise TypeError("The provider's secret is not a JSON object")
        return cls(**{name: str(document.get(name) or "") for name in cls.__slots__})

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """The secrets that a webhook may be signed with now: two during a rotation, none if none is set."""
        return tuple(secret for secret in (self.webhook_secret, self.webhook_secret_previous) if secret)


class SecretReader:
    """Reads the provider's secret, at most every few seconds."""

    def __init__(
        self, client: "SecretsManagerClient", arn: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._arn, self._clock = client, arn, clock
        self._secret: ProviderSecret | None = None
        self._read_at = 0.0

    def get(self) -> ProviderSecret:
        """The secret, read within the last MAX_AGE seconds."""
        if self._secret is None or self._clock() - self._read_at > MAX_AGE:
            return self._read()
        return self._secret

    def get_newer(self) -> ProviderSecret | None:
        """The secret read again, if the last read is old enough and it has changed; else None."""
        if self._clock() - self._read_at < MIN_INTERVAL:
            return None
        before, now = self._secret, self._read()
        return now if now != before else None

    def _read(self) -> ProviderSecret:
        value = self._client.get_secret_value(SecretId=self._arn)["SecretString"]
        self._secret, self._read_at = ProviderSecret.from_json(value), self._clock()
        return self._secret

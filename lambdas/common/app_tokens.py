"""A GitHub App's installation tokens: an hour's worth of access to what the app was installed on.

The private key stays in Secrets Manager, under the stack's key, and is never in a function's environment.
https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app
"""

import base64
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from urllib.parse import quote, urlsplit

from lambdas.common.errors import BadCredentials, PermanentFailure, TemporaryFailure
from lambdas.common.https import reading, send
from lambdas.common.provider_secret import ProviderSecret

MARGIN = 300.0
"""Seconds before its end in which a token is not used any more: a fetch takes at most that long."""
LIFETIME, DRIFT = 540, 60
"""Seconds that a JWT is good for (GitHub takes at most 600), and that its clock may be ahead of GitHub's."""
MAX_ANSWER = 1024 * 1024
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}


class AppTokens:
    """Installation tokens of one API, kept until MARGIN before they end."""

    def __init__(self, api_url: str, tls: ssl.SSLContext, *, clock: Callable[[], float] = time.time) -> None:
        self._api_url, self._tls, self._clock = api_url, tls, clock
        self._known: dict[ProviderSecret, tuple[str, float]] = {}

    def completed(self, secret: ProviderSecret) -> ProviderSecret:
        """The secret with an installation token as its `git_token`, where it is an app's; else the secret itself.

        Raises BadCredentials, PermanentFailure or TemporaryFailure.
        """
        if not secret.app_id:
            return secret
        token, until = self._known.get(secret, ("", 0.0))
        if self._clock() > until - MARGIN:
            token, until = self._ask(secret)
            self._known = {secret: (token, until)}
        return replace(secret, git_token=token)

    def forget(self) -> None:
        """Ask for another token next: the present one was refused."""
        self._known = {}

    def _ask(self, secret: ProviderSecret) -> tuple[str, float]:
        """A new token, and when it ends in seconds since the epoch."""
        url = f"{self._api_url}/app/installations/{quote(secret.installation_id, safe='')}/access_tokens"
        host = urlsplit(url).hostname or ""
        headers = {**_HEADERS, "Authorization": f"Bearer {jwt(secret, now=int(self._clock()))}"}
        connection, response = send("POST", url, headers, self._tls, b"")
        try:
            with reading(host):
                body = response.read(MAX_ANSWER)
        finally:
            connection.close()
        if response.status != 201:
            raise _refused(response.status, response.headers.get("Retry-After", ""), host)
        try:
            answer = json.loads(body)
            token = answer["token"]
            until = datetime.fromisoformat(answer["expires_at"]).timestamp()
            if not isinstance(token, str) or not token.isascii() or not token.isprintable():
                raise TypeError("no token")
        except (ValueError, KeyError, TypeError):
            raise TemporaryFailure(f"{host} did not answer with an installation token") from None
        return token, until


def jwt(secret: ProviderSecret, *, now: int) -> str:
    """What proves that we are the app: signed with its private key (RS256), for a few minutes.

    Raises BadCredentials if the key cannot be read.
    """
    # They take their time, and most stacks have no app.
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    try:
        key = serialization.load_pem_private_key(secret.private_key.encode(), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("no RSA key")
    except (ValueError, TypeError):
        # Nothing of the error is passed on, as it may quote the key.
        raise BadCredentials("The GitHub App's private key cannot be read: give the provider a new one") from None
    parts = ({"alg": "RS256", "typ": "JWT"}, {"iat": now - DRIFT, "exp": now + LIFETIME, "iss": secret.app_id})
    text = ".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return f"{text}.{_base64(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _base64(data: bytes) -> str:
    """RFC 7515, section 2."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _refused(status: int, wait: str, host: str) -> PermanentFailure | TemporaryFailure:
    what = f"{host} answered {status} when asked for a token of the GitHub App"
    if status == 401:
        return BadCredentials(f"{what}: its ID or private key is not valid (any more): give the provider new ones")
    if status == 404:
        return PermanentFailure(f"{what}: it is not installed there any more: install it again")
    if status == 403 and not wait:
        return PermanentFailure(f"{what}: its installation is suspended, or lacks a permission")
    if status == 422:
        return PermanentFailure(f"{what}: the installation lacks a permission that the app asks for: accept it there")
    return TemporaryFailure(what, retry_after=int(wait) if wait.isdecimal() else None)

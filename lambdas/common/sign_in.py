"""How a function signs in at the provider: the token of its secret, an app's, or one for an OAuth consumer."""

import http.client
import json
import ssl
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from lambdas.common.app_tokens import AppTokens
from lambdas.common.errors import BadCredentials, PermanentFailure, TemporaryFailure
from lambdas.common.https import reading, send
from lambdas.common.provider_secret import ProviderSecret, SecretReader
from lambdas.common.providers.archives import Consumer, basic

MAX_TOKEN_ANSWER = 64 * 1024
Result = TypeVar("Result")


def signed_in(secrets: SecretReader, tokens: AppTokens, ask: Callable[[ProviderSecret], Result]) -> Result:
    """What `ask` answers with the secret; asked once more with a newer one, where the one that is known is refused."""
    known = secrets.get()
    try:
        return ask(tokens.completed(known))
    except BadCredentials:
        newer = secrets.get_newer()
        if newer is None and not known.app_id:
            raise
        tokens.forget()
        return ask(tokens.completed(newer or known))


def consumer_token(consumer: Consumer, context: ssl.SSLContext) -> str:
    """An access token for an OAuth consumer (RFC 6749, section 4.4).

    Raises TemporaryFailure or PermanentFailure. A redirect is not followed: the consumer's secret is in the request.
    """
    host = urlsplit(consumer.token_url).hostname or ""
    headers = {"Content-Type": "application/x-www-form-urlencoded", **basic(consumer.key, consumer.secret)}
    connection, response = send("POST", consumer.token_url, headers, context, b"grant_type=client_credentials")
    try:
        if response.status in (400, 401, 403):
            raise BadCredentials(f"{host} answered {response.status}: the OAuth consumer's key or secret is not valid")
        check_status(response, host, had_token=True)
        with reading(host):
            return str(json.loads(response.read(MAX_TOKEN_ANSWER))["access_token"])
    except (ValueError, KeyError, TypeError):
        raise TemporaryFailure(f"{host} did not answer with an access token") from None
    finally:
        connection.close()


def check_status(response: http.client.HTTPResponse, host: str, *, had_token: bool) -> None:
    """Raise TemporaryFailure or PermanentFailure, in words for people, for all but 200."""
    status = response.status
    if status == 200:
        return
    wait = response.headers.get("Retry-After", "")
    limited = bool(wait) or response.headers.get("X-RateLimit-Remaining") == "0"
    if status == 429 or status >= 500 or (status == 403 and limited):
        retry_after = int(wait) if wait.isdecimal() else None
        raise TemporaryFailure(f"{host} answered {status}", retry_after=retry_after)
    if status == 401:
        raise BadCredentials(f"{host} answered 401: the token is not valid (any more): give the provider a new one")
    advice = {
        403: "the token may not read the repository's contents: give it that permission",
        404: "there is no such repository or commit, or the token may not see it"
        if had_token
        else "there is no such repository or commit, or it is private and the provider has no token",
    }.get(status, "the archive cannot be had from there")
    raise PermanentFailure(f"{host} answered {status}: {advice}")

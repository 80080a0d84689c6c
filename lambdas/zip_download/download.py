"""One HTTPS download: verified, bounded in time, and with credentials for the first host only."""

import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from lambdas.common.errors import BadCredentials, PermanentFailure, TemporaryFailure
from lambdas.common.https import follow, public_but, reading, send
from lambdas.common.providers.archives import ArchiveRequest, basic

MAX_TOKEN_ANSWER = 64 * 1024


def authorized(request: ArchiveRequest, context: ssl.SSLContext) -> ArchiveRequest:
    """The request with an access token in place of its OAuth consumer, if it has one.

    Raises TemporaryFailure or PermanentFailure. A redirect is not followed: the consumer's secret is in the request.
    """
    consumer = request.consumer
    if consumer is None:
        return request
    host = urlsplit(consumer.token_url).hostname or ""
    headers = {"Content-Type": "application/x-www-form-urlencoded", **basic(consumer.key, consumer.secret)}
    connection, response = send("POST", consumer.token_url, headers, context, b"grant_type=client_credentials")
    try:
        if response.status in (400, 401, 403):
            raise BadCredentials(f"{host} answered {response.status}: the OAuth consumer's key or secret is not valid")
        _check_status(response, host, had_token=True)
        with reading(host):
            token = json.loads(response.read(MAX_TOKEN_ANSWER))["access_token"]
    except (ValueError, KeyError, TypeError):
        raise TemporaryFailure(f"{host} did not answer with an access token") from None
    finally:
        connection.close()
    return replace(request, credentials={"Authorization": f"Bearer {token}"}, consumer=None)


@contextmanager
def open_archive(request: ArchiveRequest, context: ssl.SSLContext) -> Iterator[http.client.HTTPResponse]:
    """The response with the archive as its body, after redirects.

    Raises TemporaryFailure or PermanentFailure, in words for people; so do reads through `reading`.
    """
    # Where a redirect leads is another server's word: none may have us look at what only we can reach.
    check_address = public_but(urlsplit(request.url).hostname or "", what="The archive's server")
    answered = follow(
        request.url, context, headers=request.headers, credentials=request.credentials, check_address=check_address
    )
    with answered as (response, host):
        _check_status(response, host, had_token=bool(request.credentials))
        yield response


def _check_status(response: http.client.HTTPResponse, host: str, *, had_token: bool) -> None:
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

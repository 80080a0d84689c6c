"""One HTTPS download: verified, bounded in time, and with credentials for the first host only."""

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from lambdas.common.https import follow, public_but
from lambdas.common.providers.archives import ArchiveRequest
from lambdas.common.sign_in import check_status, consumer_token


def authorized(request: ArchiveRequest, context: ssl.SSLContext) -> ArchiveRequest:
    """The request with an access token in place of its OAuth consumer, if it has one.

    Raises TemporaryFailure or PermanentFailure. A redirect is not followed: the consumer's secret is in the request.
    """
    consumer = request.consumer
    if consumer is None:
        return request
    token = consumer_token(consumer, context)
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
        check_status(response, host, had_token=bool(request.credentials))
        yield response

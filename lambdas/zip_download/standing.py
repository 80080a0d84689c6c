"""Asks the provider where a ref stands now, for a push that may be an old one sent again."""

import ssl
from urllib.parse import urlsplit

from lambdas.common.errors import BadCredentials, PermanentFailure, TemporaryFailure
from lambdas.common.provider_secret import ProviderSecret
from lambdas.common.providers import PROVIDERS
from lambdas.common.providers.comparisons import NotTold
from lambdas.common.queue import FetchRequest
from lambdas.zip_download.compare import asker
from lambdas.zip_download.download import authorized
from lambdas.zip_download.settings import Settings


def ref_commit(request: FetchRequest, *, settings: Settings, secret: ProviderSecret, tls: ssl.SSLContext) -> str:
    """The commit that the ref of a push points at now; empty: there is no such ref. Raises FetchError."""
    provider = PROVIDERS[settings.provider_kind]
    archive = authorized(provider.archive(settings.api_url, request.repository, request.commit, secret), tls)
    try:
        ask = asker(settings.api_url, archive, tls)
        return provider.ref_commit(ask, request.repository, request.ref, request.commit)
    except NotTold as error:
        host = urlsplit(settings.api_url).hostname or ""
        words = f"{host} did not tell where {request.ref} stands now: {error}"
        if error.status == 401:
            raise BadCredentials(f"{words}: give the provider a new token") from error
        if error.status in (403, 404):
            raise PermanentFailure(f"{words}: the token may not read the repository") from error
        raise TemporaryFailure(words) from error

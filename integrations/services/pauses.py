"""Providers that the panel leaves alone for a while, as they asked for it or cannot be reached."""

from django.core.cache import cache

from integrations.errors import ProviderError
from integrations.models import Provider

UNREACHABLE_SECONDS = 60
MAX_SECONDS = 3600


def note(provider: Provider, error: ProviderError) -> None:
    """Leave the provider alone if the error is one that passes by itself."""
    if error.retryable:
        cache.set(_key(provider), 1, min(error.retry_after or UNREACHABLE_SECONDS, MAX_SECONDS))


def paused(provider: Provider) -> bool:
    """True while background calls to this provider are paused."""
    return cache.get(_key(provider)) is not None


def _key(provider: Provider) -> str:
    return f"provider-paused:{provider.pk}"

"""Browsers without JavaScript: Django's test client, signed in."""

from collections.abc import Iterator

import pytest
import responses
from django.core.cache import cache
from django.test import Client
from pytest_django.fixtures import Settings

from teams.models import Role, Team, User
from tests.factories import make_user


@pytest.fixture(autouse=True)
def for_tests(settings: Settings) -> None:
    """Addresses of static files without the manifest, which only collectstatic writes; hashes that cost nothing."""
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.STATIC_ROOT = None
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def signed_in(admin: User) -> Client:
    """An admin of `team`."""
    return client_of(admin)


@pytest.fixture
def viewer(team: Team) -> Client:
    return client_of(make_user(team=team, role=Role.VIEWER))


@pytest.fixture
def operator(team: Team) -> Client:
    return client_of(make_user(team=team, role=Role.OPERATOR))


@pytest.fixture
def strange(stranger: User) -> Client:
    """An admin of another team."""
    return client_of(stranger)


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def no_failures_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client

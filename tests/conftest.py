"""Fixtures that every part of the tests may use."""

from collections.abc import Iterator

import botocore.session
import pytest
from moto.core.exceptions import ServiceException
from moto.iam.responses import IamResponse
from pytest_django.fixtures import Settings

from teams.models import Membership, Role, Team, User


@pytest.fixture(scope="session", autouse=True)
def _one_data_loader() -> Iterator[None]:
    """A session of botocore parses megabytes of JSON that never change, and the tests make a thousand sessions."""
    loader = botocore.session.create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lambda *_: loader)
        yield


@pytest.fixture(scope="session", autouse=True)
def _what_moto_lacks() -> Iterator[None]:
    """moto cannot simulate policies: there it is denied, as it is to a role that may not ask."""

    def denied(*_: object) -> None:
        raise ServiceException("AccessDenied", "not authorized to perform: iam:SimulatePrincipalPolicy")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IamResponse, "simulate_principal_policy", denied, raising=False)
        yield


@pytest.fixture(autouse=True)
def _cheap_passwords(settings: Settings) -> None:
    """Real password hashing takes as long as a whole test."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def team(db: None) -> Team:
    return Team.objects.create(name="Acme", slug="acme")


@pytest.fixture
def admin(team: Team) -> User:
    """An admin of `team`."""
    user = User.objects.create_user("ada", password="correct horse battery")
    Membership.objects.create(team=team, user=user, role=Role.ADMIN)
    return user


@pytest.fixture
def stranger(db: None) -> User:
    """An admin of another team, who must never see anything of `team`."""
    user = User.objects.create_user("mallory", password="correct horse battery")
    other = Team.objects.create(name="Globex", slug="globex")
    Membership.objects.create(team=other, user=user, role=Role.ADMIN)
    return user

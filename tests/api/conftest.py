"""Clients of the API: each carries the bearer token of one user."""

from collections.abc import Collection
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from teams.models import Role, Scope, Team, User
from teams.services import tokens
from tests.factories import make_user


def client_of(
    user: User, team: Team, *, scope: Scope = Scope.ADMIN, restricted_to: Collection[UUID] | None = None
) -> APIClient:
    _, plain = tokens.create(actor=user, team=team, name="test", scope=scope, restricted_to=restricted_to)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {plain}")
    return client


@pytest.fixture
def api(admin: User, team: Team) -> APIClient:
    """Acts as an admin of `team`."""
    return client_of(admin, team)


@pytest.fixture
def viewer_api(team: Team) -> APIClient:
    return client_of(make_user(team=team, role=Role.VIEWER), team)


@pytest.fixture
def stranger_api(stranger: User) -> APIClient:
    """Acts as an admin of another team."""
    return client_of(stranger, stranger.teams.get())

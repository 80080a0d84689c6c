"""Clients of the API: each carries the bearer token of one user."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from integrations.models import Method
from teams.models import Role, Scope, Team, User
from teams.services import audit, invitations, tokens
from tests import factories
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


@pytest.fixture
def rows(team: Team, admin: User) -> dict[str, Any]:
    """One object of each noun, all of one integration, by the noun's name in addresses."""
    integration = factories.make_integration(team=team, method=Method.GIT_PULL)
    delivery = factories.make_delivery(integration=integration)
    artifact = factories.make_artifact(integration=integration, delivery=delivery)
    stack = factories.make_stack(integration=integration)
    return {
        "integrations": integration,
        "providers": integration.repository.provider,
        "repositories": integration.repository,
        "aws-accounts": integration.aws_account,
        "stacks": stack,
        "operations": factories.make_operation(stack=stack),
        "deliveries": delivery,
        "artifacts": artifact,
        "deployments": factories.make_deployment(artifact=artifact),
        "ssh-keys": factories.make_ssh_key(integration=integration),
        "invitations": invitations.create(team=team, actor=admin, role=Role.VIEWER)[0],
        "members": factories.make_user(team=team, role=Role.VIEWER).memberships.get(),
        "audit-entries": audit.record(actor=admin, team=team, action="team.create", target=team),
    }

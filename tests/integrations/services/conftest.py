from collections.abc import Iterator

import pytest
import responses

from integrations.models import Integration, Provider
from teams.models import Team
from tests import factories
from tests.integrations.providers.contract import REPOSITORY
from tests.integrations.providers.fake_github import FakeGitHub


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    """github.com at the socket, with the private repository acme/shop."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield FakeGitHub(mock)


@pytest.fixture
def provider(team: Team) -> Provider:
    return factories.make_provider(team=team, name="GitHub", ssh_known_hosts="github.com ssh-ed25519 AAAA")


@pytest.fixture
def integration(provider: Provider) -> Integration:
    """An integration of acme/shop."""
    repository = factories.make_repository(provider=provider, full_name=REPOSITORY)
    return factories.make_integration(repository=repository, name="shop")

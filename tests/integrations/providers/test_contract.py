"""The contract, for every kind that is registered: a kind without a fake fails here."""

import pytest
import responses

from integrations.providers.base import ProviderClient
from integrations.providers.registry import PROVIDERS
from tests.integrations.providers.contract import FakeProvider, ProviderContract
from tests.integrations.providers.failures import FailureContract
from tests.integrations.providers.fake_bitbucket_cloud import FakeBitbucketCloud
from tests.integrations.providers.fake_bitbucket_server import FakeBitbucketServer
from tests.integrations.providers.fake_gitea import FakeGitea
from tests.integrations.providers.fake_github import FakeGitHub, FakeGitHubEnterprise
from tests.integrations.providers.fake_gitlab import FakeGitLab

FAKES: dict[str, type[FakeProvider]] = {
    fake.kind: fake
    for fake in (
        FakeGitHub,
        FakeGitHubEnterprise,
        FakeGitLab,
        FakeBitbucketCloud,
        FakeBitbucketServer,
        FakeGitea,
    )
}


@pytest.fixture(params=sorted(PROVIDERS))
def fake(request: pytest.FixtureRequest, mock: responses.RequestsMock) -> FakeProvider:
    return FAKES[request.param](mock)


@pytest.fixture
def remote(fake: FakeProvider) -> ProviderClient:
    return PROVIDERS[fake.kind](fake.config)


class TestEveryKind(ProviderContract):
    pass


class TestEveryKindWhenItFails(FailureContract):
    pass

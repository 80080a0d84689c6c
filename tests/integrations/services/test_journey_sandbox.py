"""The git side from an address and a token to a working webhook, on the sandbox's git host."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.errors import CertificateNotTrusted
from integrations.models import Method, RemoteState, WebhookState
from integrations.services import integrations, providers, repositories, ssh_keys, webhooks
from sandbox.git_host import GitHost
from teams.models import Team, User
from tests import factories

pytestmark = pytest.mark.sandbox
URL = "http://127.0.0.1:9/gitpull"  # nothing listens there


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    with GitHost(tmp_path / "git-host") as host:
        host.create_repository("acme/shop", admins=["ada"])
        yield host


def test_from_an_address_and_a_token_to_a_webhook_and_back(team: Team, admin: User, host: GitHost):
    fields = {
        "team": team,
        "actor": admin,
        "kind": "github_enterprise",
        "name": "Our GitHub",
        "base_url": host.url,
        "credentials": {"token": host.create_token("ada")},
        "ssh_port": host.ssh_port,
    }
    with pytest.raises(CertificateNotTrusted) as caught:
        providers.create(**fields)
    assert caught.value.field == "ca_bundle"
    provider = providers.create(**fields, ca_bundle=host.ca_pem)
    assert provider.login == "ada"
    assert provider.ssh_known_hosts == host.known_hosts_line

    (found,) = providers.search_repositories(provider=provider, query="shop").items
    repository = repositories.add(team=team, actor=admin, provider=provider, full_name=found.full_name)
    integration = integrations.create(
        team=team,
        actor=admin,
        name="shop",
        repository=repository,
        method=Method.GIT_PULL,
        aws_account=factories.make_account(team=team),
        region="eu-central-1",
        application="shop",
        environment="production",
    )

    assert webhooks.install(integration=integration, url=URL) == WebhookState.INSTALLED
    assert [(hook.url, hook.secret) for hook in host.hooks("acme/shop")] == [(URL, integration.webhook_secret)]
    assert webhooks.ping(integration=integration)
    key = ssh_keys.record_current(
        integration=integration, public_key=factories.PUBLIC_KEY, fingerprint=factories.FINGERPRINT
    )
    assert ssh_keys.install(key=key) == RemoteState.PRESENT
    assert [(each.title, each.read_only) for each in host.deploy_keys("acme/shop")] == [("Sluice: shop", True)]

    webhooks.remove(integration=integration)
    ssh_keys.remove(key=key)
    assert host.hooks("acme/shop") == []
    assert host.deploy_keys("acme/shop") == []

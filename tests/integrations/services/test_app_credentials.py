"""A GitHub App's credentials, entered by hand: chosen, checked, kept encrypted, and never used elsewhere."""

from collections.abc import Iterator

import pytest
import responses
from django.db import connection

from integrations.errors import CredentialsRejected, InvalidValue
from integrations.models import Provider
from integrations.providers import github_app
from integrations.services import providers
from teams.models import AuditEntry, Team, User
from tests.factories import rsa_key
from tests.integrations.providers.fake_github_app import (
    INSTALLATION,
    PERMISSIONS,
    FakeGitHubApp,
    FakeGitHubEnterpriseApp,
    credentials,
)


@pytest.fixture
def github() -> Iterator[FakeGitHubApp]:
    github_app.forget_tokens()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield FakeGitHubApp(mock)


def create(team: Team, actor: User, **fields) -> Provider:
    fields = {"kind": "github", "name": "GitHub", "credentials": credentials(), **fields}
    return providers.create(team=team, actor=actor, **fields)


def test_an_app_is_stored_with_its_only_installation(team: Team, admin: User, github: FakeGitHubApp):
    provider = create(team, admin, credentials=credentials(installation_id=""))
    assert provider.credentials == credentials()
    assert (provider.login, provider.missing_scopes) == ("sluice-acme at acme", [])
    assert [each.full_name for each in providers.search_repositories(provider=provider).items] == ["acme/shop"]


def test_the_key_is_encrypted_and_nowhere_else(team: Team, admin: User, github: FakeGitHubApp):
    provider = create(team, admin)
    providers.update(provider=provider, actor=admin, credentials={"private_key": rsa_key()})
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(p)::text FROM integrations_provider p")
        stored = cursor.fetchone()[0]
    secret_line = rsa_key().splitlines()[5]
    assert secret_line not in stored
    assert "PRIVATE KEY" not in stored
    log = [(entry.action, entry.changes) for entry in AuditEntry.objects.order_by("pk")]
    assert log == [("provider.create", {}), ("provider.update", {"credentials": "changed"})]


def test_what_it_was_not_granted_is_stored(team: Team, admin: User, github: FakeGitHubApp):
    github.grant({**PERMISSIONS, "statuses": "read"})
    assert create(team, admin).missing_scopes == ["Commit statuses: read and write"]


def test_an_installation_that_was_removed_shows_at_the_next_check(team: Team, admin: User, github: FakeGitHubApp):
    provider = create(team, admin)
    github.installations.clear()
    with pytest.raises(CredentialsRejected):
        providers.check(provider=provider)
    provider.refresh_from_db()
    assert "not installed there" in provider.check_error


def test_the_key_that_was_entered_for_one_host_signs_nothing_for_another(
    team: Team, admin: User, github: FakeGitHubApp
):
    server = FakeGitHubEnterpriseApp(github.mock)
    provider = create(team, admin, kind="github_enterprise", base_url=server.web)
    before = len(github.mock.calls)
    for entered in ({"app_id": "1234567"}, {"installation_id": INSTALLATION}):
        with pytest.raises(InvalidValue, match="private key"):
            providers.update(provider=provider, actor=admin, base_url="https://evil.example.com", credentials=entered)
        provider.refresh_from_db()
    assert len(github.mock.calls) == before

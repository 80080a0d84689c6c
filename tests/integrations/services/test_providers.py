from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from integrations.errors import (
    CredentialsRejected,
    CredentialsUnreadable,
    HostNotAllowed,
    InvalidValue,
    ProviderUnreachable,
)
from integrations.models import Provider
from integrations.services import providers
from teams.errors import Forbidden, Refused
from teams.models import AuditEntry, Membership, Role, Team, User
from tests import factories
from tests.integrations.providers.fake_github import HOST_KEYS, FakeGitHub, FakeGitHubEnterprise

TOKEN = "ghp_" + "0123456789ab" * 3
ED25519 = " ".join(HOST_KEYS[0].split()[:2])


def create(team: Team, actor: User, **fields) -> Provider:
    fields = {"kind": "github", "name": "GitHub", "credentials": {"token": TOKEN}, **fields}
    return providers.create(team=team, actor=actor, **fields)


def test_a_provider_is_stored_once_its_token_works(team: Team, admin: User, github: FakeGitHub):
    provider = Provider.objects.get(pk=create(team, admin).pk)
    assert provider.login == "ada"
    assert provider.missing_scopes == []
    assert provider.checked_at is not None
    assert provider.credentials == {"token": TOKEN}
    assert github.mock.calls[0].request.headers["Authorization"] == f"Bearer {TOKEN}"


def test_the_token_is_encrypted_at_rest_and_not_in_the_audit_log(team: Team, admin: User, github: FakeGitHub):
    provider = create(team, admin)
    providers.update(provider=provider, actor=admin, credentials={"token": "ghp_another"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT credentials_json FROM integrations_provider")
        assert "ghp_" not in cursor.fetchone()[0]
    log = [(entry.action, entry.changes) for entry in AuditEntry.objects.order_by("pk")]
    assert log == [("provider.create", {}), ("provider.update", {"credentials": "changed"})]


def test_published_host_keys_are_pinned(team: Team, admin: User, github: FakeGitHub):
    assert create(team, admin).ssh_known_hosts.splitlines() == [f"github.com {key}" for key in HOST_KEYS]


def test_pinned_host_keys_are_never_replaced_by_themselves(provider: Provider, github: FakeGitHub):
    providers.check(provider=provider)
    provider.refresh_from_db()
    assert provider.ssh_known_hosts == "github.com ssh-ed25519 AAAA"


def test_a_missing_scope_is_stored(team: Team, admin: User, github: FakeGitHub):
    github.scopes = "read:user"
    assert create(team, admin).missing_scopes == ["repo"]


def test_a_rejected_token_is_shown_at_its_field_and_nothing_is_stored(team: Team, admin: User, github: FakeGitHub):
    github.reject_credentials()
    with pytest.raises(CredentialsRejected) as caught:
        create(team, admin)
    assert caught.value.field == "token"
    assert not Provider.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "sourceforge"}, "kind"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"credentials": {}}, "token"),
        ({"credentials": {"token": "line\nbreak"}}, "token"),
        ({"credentials": {"token": "tok\u00e9n"}}, "token"),
        ({"kind": "github_enterprise"}, "base_url"),
        ({"kind": "github_enterprise", "base_url": "http://git.example.com"}, "base_url"),
        ({"kind": "github_enterprise", "base_url": f"https://git.example.com/{'x' * 200}"}, "base_url"),
        ({"base_url": "https://git.example.com"}, "base_url"),
        ({"ssh_port": 2222}, "ssh_port"),
        ({"kind": "bitbucket_cloud", "base_url": "https://git.example.com"}, "base_url"),
        ({"base_url": "https://127.0.0.1"}, "base_url"),
        ({"credentials": {"token": TOKEN, "email": "ada@example.com"}}, "email"),
        ({"credentials": {TOKEN: TOKEN}}, "credentials"),
        ({"ca_bundle": "not PEM"}, "ca_bundle"),
        ({"ssh_port": 0}, "ssh_port"),
        ({"ssh_known_hosts": "ssh-ed25519 AAAA"}, "ssh_known_hosts"),
    ],
)
def test_a_value_that_does_not_fit_is_shown_at_its_field_without_a_call(
    team: Team, admin: User, github: FakeGitHub, fields: dict, field: str
):
    with pytest.raises((InvalidValue, HostNotAllowed)) as caught:
        create(team, admin, **fields)
    assert caught.value.field == field
    assert len(github.mock.calls) == 0


def test_a_host_inside_the_network_is_refused_unless_allowed(team: Team, admin: User):
    with pytest.raises(HostNotAllowed) as caught:
        create(team, admin, kind="github_enterprise", base_url="https://169.254.169.254")
    assert caught.value.field == "base_url"


def test_a_name_is_taken_once_per_team(team: Team, admin: User, provider: Provider, github: FakeGitHub):
    with pytest.raises(InvalidValue, match="already") as caught:
        create(team, admin)
    assert caught.value.field == "name"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_an_admin_manages_providers(team: Team, admin: User, provider: Provider, role: Role):
    Membership.objects.filter(user=admin).update(role=role)
    for call in (
        lambda: create(team, admin, name="Another"),
        lambda: providers.update(provider=provider, actor=admin, name="Other"),
        lambda: providers.delete(provider=provider, actor=admin),
    ):
        with pytest.raises(Forbidden):
            call()


def test_a_stranger_may_not_even_check(provider: Provider, stranger: User):
    with pytest.raises(Forbidden):
        providers.check(provider=provider, actor=stranger)


def test_blank_credentials_keep_the_stored_ones(provider: Provider, admin: User, github: FakeGitHub):
    providers.update(provider=provider, actor=admin, name="Renamed", credentials={"token": " "})
    provider.refresh_from_db()
    assert provider.name == "Renamed"
    assert provider.credentials == {"token": "ghp_provider-token"}


def test_another_address_needs_the_credentials_again(team: Team, admin: User):
    provider = factories.make_provider(team=team, kind="github_enterprise", base_url="https://git.example.com")
    with pytest.raises(InvalidValue, match="again") as caught:
        providers.update(provider=provider, actor=admin, base_url="https://evil.example")
    assert caught.value.field == "token"


def test_another_address_gets_its_own_host_keys(team: Team, admin: User, github: FakeGitHub):
    github.mock.reset()
    FakeGitHubEnterprise(github.mock)
    provider = factories.make_provider(
        team=team,
        kind="github_enterprise",
        base_url="https://old.example.com",
        ssh_known_hosts=f"old.example.com {ED25519}",
    )
    new = "https://git.example.com/"
    providers.update(provider=provider, actor=admin, base_url=new, credentials={"token": TOKEN}, ssh_port=2222)
    provider.refresh_from_db()
    assert provider.base_url == "https://git.example.com"
    assert provider.ssh_known_hosts.startswith("[git.example.com]:2222 ssh-")


def test_text_from_a_browser_is_stored_with_plain_line_ends(provider: Provider, admin: User, github: FakeGitHub):
    # The second key ends like an address may not.
    ending = "AAAAB3NzaC1yc2H/"
    hosts = f"github.com {ED25519}\r\n\r\n github.com ssh-rsa {ending} \r\n"
    providers.update(provider=provider, actor=admin, ssh_known_hosts=hosts)
    provider.refresh_from_db()
    assert provider.ssh_known_hosts == f"github.com {ED25519}\ngithub.com ssh-rsa {ending}"


def test_a_failed_check_is_stored_and_a_good_one_clears_it(provider: Provider, github: FakeGitHub):
    github.reject_credentials()
    with pytest.raises(CredentialsRejected):
        providers.check(provider=provider)
    provider.refresh_from_db()
    assert "does not accept the token" in provider.check_error
    github.mock.reset()
    github.install()
    assert providers.check(provider=provider).login == "ada"
    provider.refresh_from_db()
    assert provider.check_error == ""


def test_the_daily_check_takes_only_what_nobody_checked_and_survives_failures(team: Team, github: FakeGitHub):
    factories.make_provider(team=team, checked_at=timezone.now())
    old = factories.make_provider(team=team, checked_at=timezone.now() - timedelta(days=2))
    never = factories.make_provider(team=team)
    github.reject_credentials()
    assert providers.check_due() == 2
    for provider in (old, never):
        provider.refresh_from_db()
        assert provider.check_error
    assert providers.check_due() == 0


def test_a_provider_in_use_stays(provider: Provider, admin: User):
    repository = factories.make_repository(provider=provider)
    with pytest.raises(Refused, match="still has repositories"):
        providers.delete(provider=provider, actor=admin)
    assert not AuditEntry.objects.exists()
    repository.delete()
    providers.delete(provider=provider, actor=admin)
    assert not Provider.objects.exists()
    assert AuditEntry.objects.get().object_name == "GitHub"


def test_repositories_are_searched_at_the_provider(provider: Provider, github: FakeGitHub):
    found = providers.search_repositories(provider=provider, query="shop")
    assert [each.full_name for each in found.items] == ["acme/shop"]


def test_a_search_of_a_provider_that_is_down_says_so(provider: Provider, github: FakeGitHub):
    github.mock.reset()
    with pytest.raises(ProviderUnreachable, match=r"api\.github\.com"):
        providers.search_repositories(provider=provider)


def test_credentials_that_cannot_be_read_are_told_and_can_be_entered_again(
    provider: Provider, admin: User, github: FakeGitHub, settings
):
    settings.ENCRYPTION_KEYS = [b"N" * 32]
    kept = Provider.objects.get(pk=provider.pk)
    with pytest.raises(CredentialsUnreadable, match="No configured key has the id") as failure:
        providers.check(provider=kept, actor=admin)
    assert "Enter them again" in failure.value.remedy
    assert Provider.objects.get().check_error
    providers.update(provider=kept, actor=admin, credentials={"token": TOKEN})
    assert Provider.objects.get().credentials == {"token": TOKEN}


def test_provider_whose_credentials_cannot_be_read_does_not_keep_others_from_being_checked(
    team: Team, github: FakeGitHub, settings
):
    factories.make_provider(team=team)
    settings.ENCRYPTION_KEYS = [b"N" * 32, *settings.ENCRYPTION_KEYS]
    other = factories.make_provider(team=team)
    settings.ENCRYPTION_KEYS = [b"N" * 32]
    assert providers.check_due() == 2
    other.refresh_from_db()
    assert (other.check_error, other.login) == ("", "ada")

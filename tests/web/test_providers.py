"""Providers: each kind asks for exactly its credentials, and its SSH host keys are shown and confirmed."""

import re

import pytest
import responses
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from deployers.models import Operation
from integrations.models import Method, Provider
from integrations.providers.public_keys import fingerprint
from integrations.providers.registry import PROVIDERS
from teams.models import AuditEntry, Team
from tests import factories
from tests.api.github import API, TOKEN

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
OTHER = factories.PUBLIC_KEY.removesuffix(" sluice")
BITBUCKET = "https://api.bitbucket.org/2.0"


def names(page: str) -> set[str]:
    """The fields of a form."""
    return set(re.findall(r'name="(\w+)"', page[page.index('class="form"') :])) - {"csrfmiddlewaretoken"}


@pytest.fixture
def changed(team: Team) -> Provider:
    """Its server was pinned with one key and presents another one."""
    return factories.make_provider(
        team=team,
        kind="gitea",
        base_url="https://git.example.com",
        ssh_known_hosts=f"git.example.com {ED25519}",
        ssh_scanned_keys=f"git.example.com {OTHER}",
        ssh_problem="The SSH host keys of git.example.com changed.",
    )


def test_every_kind_can_be_chosen(signed_in: Client) -> None:
    page = signed_in.get(reverse("provider-add")).content.decode()
    assert re.findall(r'href="\?kind=(\w+)"', page) == list(PROVIDERS)
    assert "https://gitlab.com, or on a host of your own" in page


@pytest.mark.parametrize("kind", PROVIDERS)
def test_every_kind_asks_for_its_credentials_and_says_where_they_are_made(kind: str, signed_in: Client) -> None:
    page = signed_in.get(reverse("provider-add"), {"kind": kind}).content.decode()
    of_kind = {field.name for field in PROVIDERS[kind].credential_fields}
    asked = names(page) & of_kind
    assert asked == (set(PROVIDERS[kind].sign_ins[0].labels) if PROVIDERS[kind].sign_ins else of_kind)
    assert ({"base_url", "ca_bundle", "ssh_port"} <= names(page)) == PROVIDERS[kind].self_hosted
    assert re.search(r'rel="noreferrer">|People make tokens there at <code>/\w', page)


@pytest.mark.parametrize("kind", [kind for kind, client in PROVIDERS.items() if client.sign_ins])
def test_ways_name_credentials_that_the_kind_has(kind: str) -> None:
    known = {field.name for field in PROVIDERS[kind].credential_fields}
    assert all(set(way.labels) <= known for way in PROVIDERS[kind].sign_ins)
    assert set().union(*(way.labels for way in PROVIDERS[kind].sign_ins)) == known


@pytest.mark.parametrize(
    ("way", "fields"),
    [
        ("api-token", {"email", "token"}),
        ("access-token", {"token"}),
        ("oauth-consumer", {"oauth_key", "oauth_secret"}),
        ("nonsense", {"email", "token"}),
    ],
)
def test_bitbucket_cloud_asks_for_one_way_at_a_time(way: str, fields: set[str], signed_in: Client) -> None:
    url = f"{reverse('provider-add')}?kind=bitbucket_cloud&with={way}"
    page = signed_in.get(url).content.decode()
    assert names(page) == fields | {"name", "ssh_known_hosts"}
    refused = signed_in.post(url, {"name": "acme"}).content.decode()
    assert {name for name in fields if f'id="id_{name}_error"' in refused} == fields


def test_a_bitbucket_access_token_is_checked_and_kept(
    signed_in: Client, team: Team, http: responses.RequestsMock
) -> None:
    http.get(f"{BITBUCKET}/user", json={"nickname": "ci"}, headers={"X-OAuth-Scopes": "repository:admin, webhook"})
    http.get("https://bitbucket.org/site/ssh", body=f"bitbucket.org {ED25519}\n")
    url = f"{reverse('provider-add')}?kind=bitbucket_cloud&with=access-token"
    answer = signed_in.post(
        url, {"name": "acme", "token": "ATCTT-canary", "ssh_known_hosts": f"bitbucket.org {ED25519}"}
    )
    provider = Provider.objects.get()
    assert answer["Location"] == reverse("provider-detail", args=[provider.pk])
    assert (provider.credentials, provider.login) == ({"token": "ATCTT-canary"}, "ci")
    edit = signed_in.get(reverse("provider-edit", args=[provider.pk])).content.decode()
    assert names(edit) == {"name", "token", "ssh_known_hosts"}, "the way that it uses"
    assert "ATCTT-canary" not in edit


def test_an_address_that_was_typed_leads_to_where_tokens_are_made_there(signed_in: Client) -> None:
    fields = {"name": "acme", "base_url": "https://git.example.com", "token": "", "ssh_port": "22"}
    page = signed_in.post(f"{reverse('provider-add')}?kind=gitea", fields).content.decode()
    assert 'id="id_token_error"' in page
    assert 'href="https://git.example.com/user/settings/applications"' in page


def test_an_address_that_is_a_script_becomes_no_link(signed_in: Client) -> None:
    fields = {"name": "acme", "base_url": "javascript:alert(1)", "token": TOKEN, "ssh_port": "22"}
    page = signed_in.post(f"{reverse('provider-add')}?kind=gitea", fields).content.decode()
    assert 'href="javascript' not in page


def test_changed_host_keys_are_told_first_and_shown_beside_the_pinned_ones(
    signed_in: Client, changed: Provider
) -> None:
    page = signed_in.get(reverse("provider-detail", args=[changed.pk])).content.decode()
    for text in (changed.ssh_problem, fingerprint(ED25519), fingerprint(OTHER), "Trust these instead"):
        assert text in page
    assert page.index(changed.ssh_problem) < page.index("Repositories</h2>")


def test_an_admin_confirms_exactly_the_keys_that_were_shown(signed_in: Client, changed: Provider) -> None:
    url = reverse("provider-confirm", args=[changed.pk])
    page = signed_in.post(url, {"fingerprint": [fingerprint(OTHER)]}, follow=True).content.decode()
    changed.refresh_from_db()
    assert (changed.ssh_known_hosts, changed.ssh_scanned_keys) == (f"git.example.com {OTHER}", "")
    assert changed.ssh_problem == ""
    assert "Pinned." in page
    assert fingerprint(ED25519) not in page
    assert AuditEntry.objects.filter(action="provider.confirm_host_keys").exists()


def test_stacks_that_pull_with_git_are_told_of_confirmed_keys(signed_in: Client, changed: Provider) -> None:
    for method in Method:
        integration = factories.make_integration(
            repository=factories.make_repository(provider=changed), method=method, name=method.replace("_", "-")
        )
        factories.make_stack(integration=integration)
    url = reverse("provider-confirm", args=[changed.pk])
    page = signed_in.post(url, {"fingerprint": [fingerprint(OTHER)]}, follow=True).content.decode()
    assert "1 stack being updated to know these keys." in page
    assert Operation.objects.get().integration.name == "git-pull"


@pytest.mark.parametrize("fingerprints", [[], ["SHA256:of-another-scan"]])
def test_keys_that_were_not_shown_are_not_pinned(fingerprints: list[str], signed_in: Client, changed: Provider) -> None:
    url = reverse("provider-confirm", args=[changed.pk])
    page = signed_in.post(url, {"fingerprint": fingerprints}, follow=True).content.decode()
    assert "note-bad" in page
    changed.refresh_from_db()
    assert changed.ssh_known_hosts == f"git.example.com {ED25519}"


def test_an_operator_scans_and_cannot_confirm(operator: Client, team: Team, http: responses.RequestsMock) -> None:
    http.get(f"{API}/meta", json={"ssh_keys": [OTHER]})
    provider = factories.make_provider(team=team, ssh_known_hosts=f"github.com {ED25519}")
    page = operator.post(reverse("provider-scan", args=[provider.pk]), follow=True).content.decode()
    assert fingerprint(OTHER) in page
    assert "An admin of the team can confirm them." in page
    refused = operator.post(reverse("provider-confirm", args=[provider.pk]), {"fingerprint": [fingerprint(OTHER)]})
    assert refused.status_code == 403
    provider.refresh_from_db()
    assert provider.ssh_known_hosts == f"github.com {ED25519}"


def test_a_server_that_cannot_be_asked_says_so(signed_in: Client, team: Team, http: responses.RequestsMock) -> None:
    http.get(f"{API}/meta", status=401, json={"message": "Bad credentials"})
    provider = factories.make_provider(team=team, ssh_known_hosts=f"github.com {ED25519}")
    page = signed_in.post(reverse("provider-scan", args=[provider.pk]), follow=True).content.decode()
    assert "note-bad" in page
    assert fingerprint(ED25519) in page


def test_published_networks_are_listed(signed_in: Client, team: Team) -> None:
    provider = factories.make_provider(
        team=team, webhook_networks=["192.30.252.0/22"], webhook_networks_at=factories.timezone.now()
    )
    page = signed_in.get(reverse("provider-detail", args=[provider.pk])).content.decode()
    assert "1 published network," in page
    assert "<code>192.30.252.0/22</code>" in page


def test_another_way_of_signing_in_takes_the_place_of_the_old_one(
    signed_in: Client, team: Team, http: responses.RequestsMock
) -> None:
    http.post("https://bitbucket.org/site/oauth2/access_token", json={"access_token": "short-lived"})
    http.get(f"{BITBUCKET}/user", json={"nickname": "ci"}, headers={"X-OAuth-Scopes": "repository:admin, webhook"})
    provider = factories.make_provider(
        team=team,
        kind="bitbucket_cloud",
        credentials={"email": "ada@example.com", "token": "ATATT-canary"},
        ssh_known_hosts=f"bitbucket.org {ED25519}",
    )
    url = reverse("provider-edit", args=[provider.pk])
    assert {"email", "token"} <= names(signed_in.get(url).content.decode())
    fields = {"name": "acme", "ssh_known_hosts": provider.ssh_known_hosts}
    other = f"{url}?with=oauth-consumer"
    assert 'id="id_oauth_secret_error"' in signed_in.post(other, {**fields, "oauth_key": "key"}).content.decode()
    answer = signed_in.post(other, {**fields, "oauth_key": "key", "oauth_secret": "secret"})
    assert answer.status_code == 302
    provider.refresh_from_db()
    assert provider.credentials == {"oauth_key": "key", "oauth_secret": "secret"}


def test_credentials_that_cannot_be_read_any_more_are_entered_again(
    signed_in: Client, team: Team, http: responses.RequestsMock, settings: Settings
) -> None:
    http.get(f"{API}/user", json={"login": "ada"}, headers={"X-OAuth-Scopes": "repo"})
    provider = factories.make_provider(team=team, ssh_known_hosts=f"github.com {ED25519}")
    settings.ENCRYPTION_KEYS = [b"N" * 32]
    url = reverse("provider-edit", args=[provider.pk])
    check = signed_in.post(reverse("provider-check", args=[provider.pk]), follow=True)
    assert "cannot be read: No configured key has the id" in check.content.decode()
    fields = {"name": "GitHub", "ssh_known_hosts": provider.ssh_known_hosts}
    assert 'id="id_token_error"' in signed_in.post(url, fields).content.decode()
    assert signed_in.post(url, {**fields, "token": TOKEN}).status_code == 302
    assert Provider.objects.get().credentials == {"token": TOKEN}

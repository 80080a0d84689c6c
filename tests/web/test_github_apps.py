"""A GitHub App is made: the way to GitHub and back, and every way in which that could be abused."""

import html
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.models import AppSetup, Provider
from integrations.providers import github_app
from teams.models import AuditEntry, Team, User
from tests import factories
from tests.integrations.providers.fake_github_app import (
    CODE,
    INSTALLATION,
    PERMISSIONS,
    FakeGitHubApp,
    FakeGitHubEnterpriseApp,
    credentials,
)
from tests.web.conftest import client_of

SERVER = "https://git.example.com"
ADD = f"{reverse('provider-app-add')}?kind=github"


@pytest.fixture
def github() -> Iterator[FakeGitHubApp]:
    github_app.forget_tokens()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield FakeGitHubApp(mock)


def leave(client: Client, url: str = ADD, **fields: str) -> tuple[str, dict]:
    """Where the browser goes, and with which manifest."""
    answer = client.post(url, {"name": "acme", **fields})
    page = answer.content.decode()
    form = re.search(r'<form class="form" method="post" action="(https://[^"]+)">\s*<input[^>]*value="([^"]*)"', page)
    assert form, page
    return html.unescape(form[1]), json.loads(html.unescape(form[2]))


def state_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]


def back(client: Client, state: str, code: str = CODE) -> str:
    """The page that follows, in the end."""
    return client.get(reverse("provider-app-made"), {"state": state, "code": code}, follow=True).content.decode()


def test_an_app_is_made_installed_and_signs_in(signed_in: Client, team: Team, github: FakeGitHubApp) -> None:
    url, manifest = leave(signed_in, organization="acme")
    assert url.startswith("https://github.com/organizations/acme/settings/apps/new?state=")
    assert manifest["default_permissions"] == {
        "contents": "read",
        "metadata": "read",
        "repository_hooks": "write",
        "statuses": "write",
    }
    assert (manifest["public"], manifest["default_events"]) == (False, [])
    assert manifest["hook_attributes"] == {"url": manifest["url"], "active": False}
    assert manifest["redirect_url"] == f"http://testserver{reverse('provider-app-made')}"

    github.installations.clear()
    page = back(signed_in, state_of(url), github.made_from_manifest())
    assert "Nowhere yet." in page
    assert 'href="https://github.com/apps/sluice-acme/installations/new"' in page
    setup = AppSetup.objects.get()
    # Somebody may send people here with any id: only what the app itself knows counts.
    there = signed_in.get(reverse("provider-app-installed"), {"installation_id": "666", "setup_action": "install"})
    assert there["Location"] == reverse("provider-app", args=[setup.pk])
    github.installations[INSTALLATION] = github.installation("acme")
    assert "acme</span>" in signed_in.get(there["Location"]).content.decode()
    answer = signed_in.post(there["Location"], {"installation": INSTALLATION})
    provider = Provider.objects.get()
    assert answer["Location"] == reverse("provider-detail", args=[provider.pk])
    assert (provider.name, provider.login) == ("acme", "sluice-acme at acme")
    assert provider.credentials == credentials()
    assert not AppSetup.objects.exists()
    written = [each.action for each in AuditEntry.objects.exclude(action="user.sign_in").order_by("pk")]
    assert written == ["github_app.make", "provider.create"]


def test_the_form_may_lead_to_github_alone(signed_in: Client) -> None:
    answer = signed_in.post(ADD, {"name": "acme"})
    assert "form-action 'self' https://github.com;" in f"{answer['Content-Security-Policy']};"
    assert (
        "csrfmiddlewaretoken" not in answer.content.decode().split('action="https://github.com')[1].split("</form>")[0]
    )
    assert "github.com" not in signed_in.get(ADD)["Content-Security-Policy"]


def test_an_app_takes_the_place_of_a_token(signed_in: Client, team: Team, github: FakeGitHubApp) -> None:
    provider = factories.make_provider(team=team, name="Ours", ssh_known_hosts="github.com ssh-ed25519 AAAA")
    url, _ = leave(signed_in, f"{reverse('provider-app-add')}?provider={provider.pk}")
    back(signed_in, state_of(url), github.made_from_manifest())
    signed_in.post(reverse("provider-app", args=[AppSetup.objects.get().pk]), {"installation": INSTALLATION})
    provider.refresh_from_db()
    assert provider.credentials == credentials()
    assert provider.credentials_changed_at is not None, "the stacks follow"


def test_administration_is_asked_for_only_where_deploy_keys_are_wanted(signed_in: Client) -> None:
    assert leave(signed_in, deploy_keys="on")[1]["default_permissions"] == PERMISSIONS


def test_an_enterprise_server_of_ones_own(signed_in: Client, github: FakeGitHubApp) -> None:
    server = FakeGitHubEnterpriseApp(github.mock)
    add = f"{reverse('provider-app-add')}?kind=github_enterprise"
    url, _ = leave(signed_in, add, base_url=SERVER)
    assert url.startswith(f"{SERVER}/settings/apps/new?state=")
    page = back(signed_in, state_of(url), server.made_from_manifest())
    assert f'href="{SERVER}/github-apps/sluice-acme/installations/new"' in page


class TestTheState:
    def test_works_once(self, signed_in: Client, github: FakeGitHubApp) -> None:
        url, _ = leave(signed_in)
        back(signed_in, state_of(url), github.made_from_manifest())
        assert "not a way back from GitHub" in back(signed_in, state_of(url), github.made_from_manifest())
        assert github.codes, "the second code was not even tried"

    def test_is_used_up_by_a_code_that_is_none(self, signed_in: Client, github: FakeGitHubApp) -> None:
        url, _ = leave(signed_in)
        assert "does not know this code" in back(signed_in, state_of(url), "0" * 40)
        back(signed_in, state_of(url), github.made_from_manifest())
        assert github.codes

    @pytest.mark.parametrize("state", ["", "guess", "\x00"])
    def test_cannot_be_guessed(self, signed_in: Client, github: FakeGitHubApp, state: str) -> None:
        leave(signed_in)
        assert "not a way back from GitHub" in back(signed_in, state, github.made_from_manifest())
        assert github.codes

    def test_is_of_one_session(self, signed_in: Client, admin: User, github: FakeGitHubApp) -> None:
        url, _ = leave(client_of(admin))
        assert "not a way back from GitHub" in back(signed_in, state_of(url), github.made_from_manifest())
        assert github.codes

    def test_is_of_one_person(self, signed_in: Client, strange: Client, github: FakeGitHubApp) -> None:
        url, _ = leave(strange)
        back(signed_in, state_of(url), github.made_from_manifest())
        assert github.codes

    def test_lasts_an_hour(self, signed_in: Client, github: FakeGitHubApp) -> None:
        url, _ = leave(signed_in)
        AppSetup.objects.update(created_at=timezone.now() - timedelta(minutes=61))
        assert "not a way back from GitHub" in back(signed_in, state_of(url), github.made_from_manifest())

    def test_of_a_person_who_is_no_admin_any_more(self, signed_in: Client, admin: User, github: FakeGitHubApp) -> None:
        url, _ = leave(signed_in)
        admin.memberships.update(role="viewer")
        answer = signed_in.get(
            reverse("provider-app-made"), {"state": state_of(url), "code": github.made_from_manifest()}
        )
        assert answer.status_code == 403
        assert github.codes


class TestWhatGitHubSays:
    def test_a_code_that_is_an_address(self, signed_in: Client, github: FakeGitHubApp) -> None:
        url, _ = leave(signed_in)
        calls = len(github.mock.calls)
        assert "GitHub sent no code" in back(signed_in, state_of(url), "../../user")
        assert len(github.mock.calls) == calls

    def test_an_app_of_another_host(self, signed_in: Client, github: FakeGitHubApp) -> None:
        url, _ = leave(signed_in)
        code = github.made_from_manifest(html_url=f"{SERVER}/apps/sluice-acme")
        assert "at another address" in back(signed_in, state_of(url), code)
        assert not AppSetup.objects.exclude(credentials_json="").exists()

    def test_the_key_of_another_app(self, signed_in: Client, github: FakeGitHubApp) -> None:
        url, _ = leave(signed_in)
        back(signed_in, state_of(url), github.made_from_manifest(pem=factories.rsa_key("other")))
        assert not AppSetup.objects.exclude(credentials_json="").exists()

    def test_an_app_of_another_owner(self, signed_in: Client, github: FakeGitHubApp) -> None:
        url, _ = leave(signed_in, organization="acme")
        code = github.made_from_manifest(owner={"login": "mallory", "id": 5, "type": "User"})
        assert "was made at mallory, not at acme" in back(signed_in, state_of(url), code)
        assert not AppSetup.objects.exclude(credentials_json="").exists()

    def test_an_installation_of_another_app(self, signed_in: Client, github: FakeGitHubApp) -> None:
        url, _ = leave(signed_in)
        back(signed_in, state_of(url), github.made_from_manifest())
        page = signed_in.post(reverse("provider-app", args=[AppSetup.objects.get().pk]), {"installation": "666"})
        assert "not installed there" in page.content.decode()
        assert not Provider.objects.exists()

    @pytest.mark.parametrize("installation", ["", "1/../2", "x", "9" * 40])
    def test_an_installation_that_is_none(self, signed_in: Client, github: FakeGitHubApp, installation: str) -> None:
        url, _ = leave(signed_in)
        back(signed_in, state_of(url), github.made_from_manifest())
        github.installations["5"] = github.installation("other")
        url = reverse("provider-app", args=[AppSetup.objects.get().pk])
        assert signed_in.post(url, {"installation": installation}).status_code == 400
        assert not Provider.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"organization": "acme/../../evil"},
        {"organization": "acme?x=1"},
        {"organization": '"><script>'},
        {"name": ""},
        {"name": "x" * 81},
    ],
)
def test_what_cannot_be_right_is_told_at_the_field(signed_in: Client, fields: dict[str, str]) -> None:
    answer = signed_in.post(ADD, {"name": "acme", **fields})
    assert f'id="id_{next(iter(fields))}_error"' in answer.content.decode()
    assert not AppSetup.objects.exists()


@pytest.mark.parametrize("address", ["http://git.example.com", "https://u:p@git.example.com", "javascript:alert(1)"])
def test_an_address_that_is_none(signed_in: Client, address: str) -> None:
    add = f"{reverse('provider-app-add')}?kind=github_enterprise"
    assert 'id="id_base_url_error"' in signed_in.post(add, {"name": "acme", "base_url": address}).content.decode()


def test_an_address_inside_is_not_connected_to(signed_in: Client) -> None:
    add = f"{reverse('provider-app-add')}?kind=github_enterprise"
    url, _ = leave(signed_in, add, base_url="https://169.254.169.254")
    assert "private network" in back(signed_in, state_of(url))
    assert not AppSetup.objects.exclude(credentials_json="").exists()


def test_a_name_is_a_name_and_no_part_of_the_manifest(signed_in: Client) -> None:
    name = '"></form><script>", "public": true, "x": "'
    _, manifest = leave(signed_in, name=name)
    assert manifest["public"] is False
    assert manifest["name"] == f"Sluice {name}"[:34].strip()
    assert "<script>" not in signed_in.post(ADD, {"name": name}).content.decode()


def test_the_key_is_encrypted_and_on_no_page(signed_in: Client, github: FakeGitHubApp, caplog) -> None:
    caplog.set_level("DEBUG")
    url, _ = leave(signed_in)
    pages = back(signed_in, state_of(url), github.made_from_manifest())
    pages += signed_in.get(reverse("provider-app", args=[AppSetup.objects.get().pk])).content.decode()
    signed_in.post(reverse("provider-app", args=[AppSetup.objects.get().pk]), {"installation": INSTALLATION})
    provider = Provider.objects.get()
    for name in ("provider-detail", "provider-edit"):
        pages += signed_in.get(reverse(name, args=[provider.pk])).content.decode()
    pages += signed_in.get(reverse("audit-list")).content.decode()
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(p)::text FROM integrations_provider p")
        stored = cursor.fetchone()[0]
    for secret in (factories.rsa_key().splitlines()[5], "ghs_canary", "canary-client-secret", "canary-webhook-secret"):
        for place in (pages, caplog.text, stored):
            assert secret not in place


def test_an_app_of_a_team_is_nobody_elses(signed_in: Client, strange: Client, team: Team, admin: User) -> None:
    setup = factories.make_app_setup(team=team, user=admin)
    assert strange.get(reverse("provider-app", args=[setup.pk])).status_code == 404
    assert strange.get(reverse("provider-app-installed"))["Location"] == reverse("provider-list")
    provider = factories.make_provider(team=team)
    assert strange.get(f"{reverse('provider-app-add')}?provider={provider.pk}").status_code == 404
    assert signed_in.get(f"{reverse('provider-app-add')}?provider=nonsense").status_code == 404


def test_what_was_installed_nowhere_is_forgotten(signed_in: Client, team: Team, admin: User) -> None:
    factories.make_app_setup(team=team, user=admin)
    AppSetup.objects.update(created_at=timezone.now() - timedelta(days=2))
    leave(signed_in)
    assert AppSetup.objects.get().slug == ""

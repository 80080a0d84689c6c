"""Signing in with GitHub Enterprise Server: one setting gives its addresses, its answers are as GitHub documents them.

https://docs.github.com/enterprise-server/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps and
https://docs.github.com/enterprise-server/rest/users/users, .../rest/users/emails, .../rest/teams/teams
"""

import json
import os
import re
import subprocess
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
from django.core.cache import cache
from django.test import Client
from pytest_django.fixtures import Settings

from panel import identity_settings
from panel.environment import Environment
from teams.models import Team, User
from teams.services.accounts import is_verified

SERVER = "https://github.acme.example"
URLS = ("authorize_url", "access_token_url", "profile_url", "emails_url", "api_url")
SHOW = (
    "import django, json; django.setup(); "
    "from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter as a; "
    f"print(json.dumps({{name: getattr(a, name) for name in {URLS!r}}}))"
)


def urls_of(server: str = "") -> dict[str, str]:
    """The addresses that a process has which starts with this setting: they are read once."""
    more = {"SLUICE_GITHUB_CLIENT_ID": "id", "SLUICE_GITHUB_CLIENT_SECRET": "secret"}
    if server:
        more["SLUICE_GITHUB_URL"] = server
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "panel.settings", **more}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SHOW], env=env, capture_output=True, check=True)
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_github_itself_needs_no_setting() -> None:
    assert urls_of()["api_url"] == "https://api.github.com"


@pytest.fixture
def server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> responses.RequestsMock:
    cache.clear()
    for name, value in urls_of(f"{SERVER}/").items():
        monkeypatch.setattr(GitHubOAuth2Adapter, name, value)
    for name, value in {"URL": SERVER, "CLIENT_ID": "id", "CLIENT_SECRET": "secret"}.items():
        monkeypatch.setenv(f"SLUICE_GITHUB_{name}", value)
    monkeypatch.setenv("SLUICE_GITHUB_GROUPS", "acme/devs=acme:operator")
    settings.IDENTITY = identity_settings.read(Environment(), secure=True)
    settings.SOCIALACCOUNT_PROVIDERS = settings.IDENTITY.providers
    http = responses.RequestsMock()
    http.post(f"{SERVER}/login/oauth/access_token", json={"access_token": "gho_x", "token_type": "bearer"})
    http.get(f"{SERVER}/api/v3/user", json={"id": 7, "login": "kim", "name": "Kim", "email": None})
    http.get(f"{SERVER}/api/v3/user/teams", json=[{"slug": "devs", "organization": {"login": "acme"}}])
    return http


def come_back(client: Client) -> Any:
    page = client.post("/identity/github/login/").content.decode()
    there = re.search(r'content="0;url=([^"]+)"', page)
    assert there, page
    left = urlsplit(there[1].replace("&amp;", "&"))
    assert f"{left.scheme}://{left.netloc}{left.path}" == f"{SERVER}/login/oauth/authorize"
    asked = parse_qs(left.query)
    assert asked["code_challenge_method"] == ["S256"]
    assert set(asked["scope"][0].split()) == {"user:email", "read:org"}
    return client.get("/identity/github/login/callback/", {"code": "c", "state": asked["state"][0]}, follow=True)


def test_a_person_of_a_mapped_team_signs_in_and_every_call_goes_to_that_server(
    team: Team, server: responses.RequestsMock
) -> None:
    with server:
        answer = come_back(Client())
        assert {urlsplit(call.request.url or "").netloc for call in server.calls} == {"github.acme.example"}
    assert "Acme · Operator" in answer.content.decode()
    user = User.objects.get(username="kim")
    assert SocialAccount.objects.get().user == user
    assert not is_verified(user), "no setting trusts it for addresses"

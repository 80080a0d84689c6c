"""What GitHub's teams and GitLab's groups give at the sign-in, as both answer: faked at the socket.

GitHub: https://docs.github.com/en/rest/teams/teams#list-teams-for-the-authenticated-user (the scopes, the shape of a
team) and https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api (100 a page at most).
GitLab: https://docs.gitlab.com/integration/openid_connect_provider/ (`groups` with all of them is in the answer of the
userinfo endpoint; the ID token has `groups_direct`), and config/initializers/doorkeeper_openid_connect.rb of GitLab.
"""

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from django.core.cache import cache
from django.test import Client
from pytest_django.fixtures import Settings
from responses import matchers

from panel import identity_settings
from panel.environment import Environment
from teams.models import Membership, Team, User

API = "https://api.github.com"
GITLAB = "https://gitlab.example.com"
PLAIN = {"preferred_username": "kim", "sub": "4711", "name": "Kim"}


@pytest.fixture(autouse=True)
def identities(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    values = {
        "GITHUB_CLIENT_ID": "id",
        "GITHUB_CLIENT_SECRET": "secret",
        "GITHUB_GROUPS": "acme-corp/justice-league=acme:operator,acme-corp/team-150=acme:admin",
        "GITLAB_CLIENT_ID": "id",
        "GITLAB_CLIENT_SECRET": "secret",
        "GITLAB_URL": GITLAB,
        "GITLAB_GROUPS": "acme-corp/platform=acme:operator,acme-corp=acme:viewer",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"SLUICE_{name}", value)
    settings.IDENTITY = identity_settings.read(Environment(), secure=True)
    settings.SOCIALACCOUNT_PROVIDERS = settings.IDENTITY.providers


def team_at_github(slug: str, organization: str = "acme-corp") -> dict[str, Any]:
    """A team, as far as the documented shape matters here."""
    return {
        "id": 1,
        "node_id": "MDQ6VGVhbTE=",
        "name": slug.replace("-", " ").title(),
        "slug": slug,
        "privacy": "closed",
        "permission": "admin",
        "parent": None,
        "organization": {"login": organization, "id": 1, "type": "Organization"},
    }


@pytest.fixture
def github() -> Any:
    """Answers as GitHub does but for the teams, which a test adds."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as fake:
        granted = {"access_token": "gho_16C7e42F292c6912E7", "scope": "read:org,user:email", "token_type": "bearer"}
        fake.post("https://github.com/login/oauth/access_token", json=granted)
        user = {"login": "kim", "id": 4711, "name": "Kim", "email": None, "type": "User"}
        fake.get(f"{API}/user", json=user)
        fake.get(f"{API}/user/emails", json=[])
        yield fake


def teams_are(fake: responses.RequestsMock, *teams: dict[str, Any]) -> None:
    """The teams in pages, each only for a request that asks for it as documented."""
    for number in range(len(teams) // 100 + 1):
        asked = matchers.query_param_matcher({"per_page": "100", "page": str(number + 1)})
        sent = matchers.header_matcher({"Authorization": "Bearer gho_16C7e42F292c6912E7"})
        rows = list(teams[number * 100 : (number + 1) * 100])
        fake.get(f"{API}/user/teams", json=rows, match=[asked, sent])


def come_back(provider: str) -> tuple[Client, Any, dict[str, list[str]]]:
    """Leave for the provider and come back with a code: the answer after all redirects, and what was asked for."""
    client = Client()
    page = client.post(f"/identity/{provider}/login/").content.decode()
    found = re.search(r'content="0;url=([^"]+)"', page)
    assert found, page
    asked = parse_qs(urlsplit(found[1].replace("&amp;", "&")).query)
    there = {"code": "a-code", "state": asked["state"][0]}
    return client, client.get(f"/identity/{provider}/login/callback/", there, follow=True), asked


def roles() -> dict[str, str]:
    return dict(Membership.objects.filter(user__username="kim").values_list("team__slug", "role"))


def test_a_team_at_github_gives_its_role(team: Team, github: Any) -> None:
    teams_are(github, team_at_github("justice-league"), team_at_github("team-150", "another-company"))
    _, answer, asked = come_back("github")
    assert "Acme · Operator" in answer.content.decode()
    assert {scope for each in asked["scope"] for scope in each.split()} == {"user:email", "read:org"}
    assert roles() == {"acme": "operator"}


def test_the_teams_of_all_pages_count(team: Team, github: Any) -> None:
    teams_are(github, *(team_at_github(f"team-{number}") for number in range(200)))
    come_back("github")
    assert roles() == {"acme": "admin"}
    assert len([each for each in github.calls if "/user/teams" in each.request.url]) == 3


@pytest.mark.parametrize(("status", "message"), [(403, "Resource not accessible"), (404, "Not Found"), (502, "")])
def test_who_does_not_let_sluice_read_the_teams_is_not_signed_in(
    team: Team, github: Any, status: int, message: str
) -> None:
    """Without the scope, or while GitHub fails, nobody knows the roles: nothing is changed, and no account is made."""
    github.get(f"{API}/user/teams", json={"message": message}, status=status)
    client, answer, _ = come_back("github")
    assert "You are not signed in" in answer.content.decode()
    assert "_auth_user_id" not in client.session
    assert not User.objects.filter(username="kim").exists()


def test_an_answer_of_github_that_is_no_list_of_teams_lets_nobody_in(team: Team, github: Any) -> None:
    github.get(f"{API}/user/teams", json=[{"slug": "justice-league"}])
    client, answer, _ = come_back("github")
    assert "You are not signed in" in answer.content.decode()
    assert "_auth_user_id" not in client.session


def test_a_role_at_github_is_kept_while_github_does_not_tell(team: Team, github: Any) -> None:
    teams_are(github, team_at_github("justice-league"))
    come_back("github")
    github.replace(responses.GET, f"{API}/user/teams", status=503)
    come_back("github")
    assert roles() == {"acme": "operator"}


@pytest.fixture
def gitlab() -> Any:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as fake:
        settings = {
            "issuer": GITLAB,
            "authorization_endpoint": f"{GITLAB}/oauth/authorize",
            "token_endpoint": f"{GITLAB}/oauth/token",
            "userinfo_endpoint": f"{GITLAB}/oauth/userinfo",
            "jwks_uri": f"{GITLAB}/oauth/discovery/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }
        fake.get(f"{GITLAB}/.well-known/openid-configuration", json=settings)
        granted = {"access_token": "de6780bc506a0446", "token_type": "Bearer", "scope": "openid profile email"}
        fake.post(f"{GITLAB}/oauth/token", json=granted)
        yield fake


def userinfo(fake: responses.RequestsMock, status: int = 200, **said: Any) -> None:
    sent = matchers.header_matcher({"Authorization": "Bearer de6780bc506a0446"})
    fake.get(f"{GITLAB}/oauth/userinfo", body=json.dumps({**PLAIN, **said}), status=status, match=[sent])


@pytest.mark.parametrize(
    ("groups", "role"),
    [(["acme-corp", "acme-corp/platform"], "operator"), (["acme-corp"], "viewer"), (["acme-corp/other"], None)],
)
def test_groups_at_gitlab_are_told_by_their_paths(team: Team, gitlab: Any, groups: list[str], role: str | None) -> None:
    userinfo(gitlab, groups=groups)
    _, answer, asked = come_back("gitlab")
    assert set(asked["scope"][0].split()) == {"openid", "profile", "email"}
    assert roles() == ({"acme": role} if role else {})
    assert ("You have no account here" in answer.content.decode()) is (role is None)


def test_a_very_long_list_of_groups_counts_whole(team: Team, gitlab: Any) -> None:
    userinfo(gitlab, groups=[*(f"other/group-{number}" for number in range(3000)), "acme-corp/platform"])
    come_back("gitlab")
    assert roles() == {"acme": "operator"}


@pytest.mark.parametrize(
    "said", [{}, {"groups": None}, {"groups": {}}, {"groups": 7}, {"groups_direct": ["acme-corp"]}]
)
def test_no_groups_give_no_role(team: Team, gitlab: Any, said: dict[str, Any]) -> None:
    userinfo(gitlab, **said)
    client, _, _ = come_back("gitlab")
    assert roles() == {}
    assert "_auth_user_id" not in client.session


def test_a_token_without_the_scope_openid_signs_nobody_in(team: Team, gitlab: Any) -> None:
    userinfo(gitlab, status=403, error="insufficient_scope")
    client, answer, _ = come_back("gitlab")
    assert "You are not signed in" in answer.content.decode()
    assert "_auth_user_id" not in client.session

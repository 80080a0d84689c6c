"""Members and invitations over the API."""

import pytest
from django.core.cache import cache

from teams.models import Invitation, Membership, Role, Scope, Team, User
from teams.services import invitations, service_accounts
from tests.api.conftest import client_of
from tests.factories import make_integration, make_user

MEMBERS, INVITATIONS = "/api/v1/members/", "/api/v1/invitations/"


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    cache.clear()


@pytest.fixture
def kim(team: Team) -> Membership:
    return Membership.objects.get(user=make_user(team=team, role=Role.VIEWER, username="kim"))


def test_the_people_are_listed_without_service_accounts(viewer_api, api, admin, team: Team, kim: Membership):
    service_accounts.create(team=team, actor=admin, name="robot", role=Role.VIEWER)
    rows = api.get(MEMBERS).json()["results"]
    assert {(row["username"], row["role"]) for row in rows} >= {("ada", "admin"), ("kim", "viewer")}
    assert "robot" not in str(rows)
    assert set(rows[0]) == {"id", "username", "role", "is_active"}
    assert viewer_api.get(f"{MEMBERS}{kim.pk}/").json()["username"] == "kim"


def test_a_role_is_changed(api, kim: Membership):
    answer = api.patch(f"{MEMBERS}{kim.pk}/", {"role": "operator"})
    assert (answer.status_code, answer.json()["role"]) == (200, "operator")
    assert api.patch(f"{MEMBERS}{kim.pk}/", {"role": "owner"}).status_code == 400
    assert api.patch(f"{MEMBERS}{kim.pk}/", {"name": "x"}).status_code == 400


def test_a_member_is_removed(api, kim: Membership):
    assert api.delete(f"{MEMBERS}{kim.pk}/").status_code == 204
    assert api.get(f"{MEMBERS}{kim.pk}/").status_code == 404


def test_the_last_admin_is_a_conflict(api, admin: User, kim: Membership):
    mine = Membership.objects.get(user=admin)
    for answer in (api.delete(f"{MEMBERS}{mine.pk}/"), api.patch(f"{MEMBERS}{mine.pk}/", {"role": "viewer"})):
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")


def test_a_viewer_changes_nobody_and_may_leave(team: Team, admin: User, kim: Membership):
    client = client_of(kim.user, team)
    theirs = Membership.objects.get(user=admin)
    assert client.patch(f"{MEMBERS}{kim.pk}/", {"role": "admin"}).status_code == 403
    assert client.delete(f"{MEMBERS}{theirs.pk}/").status_code == 403
    assert client.get(INVITATIONS).status_code == 403
    assert client.post(INVITATIONS, {"role": "admin"}).status_code == 403
    assert client.delete(f"{MEMBERS}{kim.pk}/").status_code == 204


def test_strangers_find_nobody(stranger_api, team: Team, kim: Membership, admin: User):
    made, _ = invitations.create(team=team, actor=admin, role=Role.VIEWER)
    assert stranger_api.get(f"{MEMBERS}{kim.pk}/").status_code == 404
    assert stranger_api.delete(f"{MEMBERS}{kim.pk}/").status_code == 404
    assert stranger_api.delete(f"{INVITATIONS}{made.pk}/").status_code == 404
    assert stranger_api.get(INVITATIONS).json()["results"] == []


@pytest.mark.parametrize("scope", [Scope.READ, Scope.DEPLOY, Scope.PROVISION])
def test_a_token_of_a_smaller_scope_sees_and_changes_nobody(admin: User, team: Team, kim: Membership, scope: Scope):
    client = client_of(admin, team, scope=scope)
    assert client.get(MEMBERS).status_code == 200
    assert client.patch(f"{MEMBERS}{kim.pk}/", {"role": "admin"}).status_code == 403
    assert client.delete(f"{MEMBERS}{kim.pk}/").status_code == 403
    assert client.post(INVITATIONS, {"role": "admin"}).status_code == 403


def test_a_token_for_some_integrations_sees_nobody(admin: User, team: Team, kim: Membership):
    client = client_of(admin, team, scope=Scope.ADMIN, restricted_to=[make_integration(team=team).pk])
    assert client.get(MEMBERS).status_code == 403
    assert client.get(INVITATIONS).status_code == 403


def test_an_invitation_shows_its_link_once(api, team: Team):
    made = api.post(INVITATIONS, {"role": "operator", "days": 3})
    assert made.status_code == 201
    token = made.json()["url"].rstrip("/").rsplit("/", 1)[-1]
    assert invitations.find(token).role == Role.OPERATOR
    [listed] = api.get(INVITATIONS).json()["results"]
    assert listed == {key: value for key, value in made.json().items() if key != "url"}
    assert listed["invited_by"] == "ada"
    assert api.delete(f"{INVITATIONS}{listed['id']}/").status_code == 204
    assert not Invitation.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "role"),
        ({"role": "owner"}, "role"),
        ({"role": "viewer", "days": 31}, "days"),
        ({"role": "viewer", "email": "no"}, "email"),
        ({"role": "viewer", "team": "x"}, "team"),
    ],
)
def test_a_wrong_invitation_is_told_at_its_field(api, team: Team, body, field):
    answer = api.post(INVITATIONS, body)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_without_a_mail_server_an_address_is_a_conflict(api, team: Team):
    answer = api.post(INVITATIONS, {"role": "viewer", "email": "kim@example.com"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "email")

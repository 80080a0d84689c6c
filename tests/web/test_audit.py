"""The audit log's page, its exports, and the acts that pages and the admin write into it."""

import csv
import json

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from teams.models import ApiToken, AuditEntry, Membership, Role, Scope, Team, User
from teams.services import audit, origin, tokens
from tests import factories
from tests.api.conftest import client_of as api_client_of
from tests.web.conftest import client_of
from tests.web.scene import make_scene

URL = "/audit/"


def shown(client: Client, query: str = "") -> list[str]:
    """The objects of the entries; that the client itself signed in is left out."""
    rows = client.get(f"{URL}{query}").context["page"].rows
    return [entry.object_name for entry in rows if entry.action != "user.sign_in"]


@pytest.fixture
def entries(team: Team, admin: User) -> None:
    """Three acts: on a page, over the API and by the system."""
    with origin.acting(origin.Origin("page", ip="192.0.2.7")):
        shop = factories.make_integration(team=team, name="shop")
        audit.record(actor=admin, team=team, action="integration.update", target=shop, changes={"lfs": [False, True]})
    with origin.acting(origin.Origin("api", token="ci")):
        blog = factories.make_integration(team=team, name="blog")
        audit.record(actor=admin, team=team, action="integration.delete", target=blog, changes={"bucket": "keep"})
    audit.record(actor=None, team=team, action="provider.check", target=shop.repository.provider)


def test_it_is_filtered_and_searched(signed_in: Client, entries: None) -> None:
    assert len(shown(signed_in)) == 3
    assert shown(signed_in, "?action=integration.") == ["blog", "shop"]
    assert shown(signed_in, "?who=ada&source=page") == ["shop"]
    assert shown(signed_in, "?q=192.0.2") == ["shop"]
    assert shown(signed_in, "?q=ci") == ["blog"]
    assert shown(signed_in, "?from=2999-01-01") == []
    assert len(shown(signed_in, "?to=2999-01-01&from=nonsense&source=nowhere&before=1_2")) == 3
    entry = AuditEntry.objects.get(object_name="shop")
    assert shown(signed_in, f"?object={entry.object_id}") == ["shop"]
    page = signed_in.get(URL).content.decode()
    assert "False → True" in page


def test_the_history_of_an_operation_has_what_began_it_and_what_became_of_it(signed_in: Client, team: Team) -> None:
    scene = make_scene(team)
    actor, operation = factories.make_user(team=team), str(scene.operation.pk)
    audit.record(
        actor=actor,
        team=team,
        action="integration.provision",
        target=scene.integration,
        changes={"operation": operation},
    )
    audit.record(actor=actor, team=team, action="operation.cancel", target=scene.operation)
    audit.record(actor=actor, team=team, action="integration.update", target=scene.integration)
    detail = signed_in.get(reverse("operation-detail", args=[operation])).content.decode()
    assert f"{URL}?object={operation}" in detail
    rows = signed_in.get(f"{URL}?object={operation}").context["page"].rows
    assert [row.action for row in rows] == ["operation.cancel", "integration.provision"]


def test_it_continues_where_a_page_ends(signed_in: Client, team: Team) -> None:
    for _ in range(60):
        audit.record(actor=None, team=team, action="team.look", target=team)
    url = f"{URL}?action=team."
    first = signed_in.get(url).context["page"]
    second = signed_in.get(f"{URL}{first.later}").context["page"]
    assert [len(first.rows), len(second.rows)] == [50, 10]
    assert not {row.pk for row in first.rows} & {row.pk for row in second.rows}


def test_it_is_exported_and_no_spreadsheet_takes_a_name_for_a_formula(signed_in: Client, team: Team) -> None:
    audit.record(actor=None, team=team, action="team.rename", target=team, changes={"name": ["Acme", "=1+1"]})
    odd = factories.make_integration(team=team, name="odd")
    odd.name = "=cmd()"
    audit.record(actor=None, team=team, action="integration.update", target=odd)

    lines = b"".join(signed_in.get(f"{URL}?format=csv&who=system").streaming_content).decode().splitlines()
    rows = list(csv.DictReader(lines))
    assert [row["object_name"] for row in rows] == ["'=cmd()", "Acme"]
    assert json.loads(rows[1]["changes"]) == {"name": ["Acme", "=1+1"]}
    jsonl = b"".join(signed_in.get(f"{URL}?format=jsonl&action=team.").streaming_content).decode().splitlines()
    assert [json.loads(line)["action"] for line in jsonl] == ["team.rename"]


def test_other_teams_and_what_is_nobodys_stay_out(
    signed_in: Client, strange: Client, entries: None, team: Team
) -> None:
    audit.record(actor=None, team=None, action="user.sign_in_failed", target=None)
    assert shown(strange) == []
    assert "user.sign_in_failed" not in signed_in.get(URL).content.decode()


def test_signing_in_and_out_is_written_down(team: Team, admin: User, signed_in: Client) -> None:
    cache.clear()
    client = Client(REMOTE_ADDR="192.0.2.9")
    for name, password in (("ada", "wrong"), ("my secret password", "x"), ("ada", "correct horse battery")):
        client.post("/sign-in/", {"username": name, "password": password})
    client.post("/sign-out/")

    acts = AuditEntry.objects.filter(ip="192.0.2.9").order_by("pk")
    assert [(act.action.removeprefix("user."), act.object_name, act.source) for act in acts] == [
        ("sign_in_failed", "ada", "page"),
        ("sign_in_failed", "", "page"),
        ("sign_in", "ada", "page"),
        ("sign_out", "ada", "page"),
    ]
    assert "user.sign_out" in signed_in.get(URL).content.decode()


def test_the_admins_changes_are_written_down_with_what_was_before(team: Team, admin: User) -> None:
    root = User.objects.create_superuser("root", password="correct horse battery")
    client, member = client_of(root), Membership.objects.get(user=admin)
    factories.make_user(team=team, username="kim")  # another admin, as a team keeps one
    client.post(
        reverse("admin:teams_team_change", args=[team.pk]),
        {
            "name": "Acme Corp",
            "slug": "acme",
            "memberships-TOTAL_FORMS": "1",
            "memberships-INITIAL_FORMS": "1",
            "memberships-0-id": member.pk,
            "memberships-0-team": team.pk,
            "memberships-0-user": admin.pk,
            "memberships-0-role": "viewer",
        },
    )
    password = {"password1": "another long phrase", "password2": "another long phrase", "usable_password": "true"}
    client.post(reverse("admin:auth_user_password_change", args=[admin.pk]), password)

    acts = {act.action: act for act in AuditEntry.objects.filter(source="admin")}
    assert acts["team.update"].changes == {"name": ["Acme", "Acme Corp"]}
    assert acts["membership.update"].changes == {"role": ["admin", "viewer"]}
    assert (acts["membership.update"].team, acts["membership.update"].actor_name) == (team, "root")
    assert acts["user.update"].changes == {"password": "changed"}


def test_revoking_a_token_in_the_admin_is_written_down(team: Team, admin: User) -> None:
    token, _ = tokens.create(actor=admin, team=team, name="ci", scope=Scope.ADMIN)
    root = client_of(User.objects.create_superuser("root"))
    root.post(reverse("admin:teams_apitoken_delete", args=[token.pk]), {"post": "yes"})
    assert not ApiToken.objects.exists()
    assert AuditEntry.objects.get(action="token.delete").team == team


def test_showing_a_secret_is_written_down(signed_in: Client, team: Team) -> None:
    scene = make_scene(team)
    signed_in.post(reverse("integration-webhook", args=[scene.integration.pk]), {"action": "show"})
    entry = AuditEntry.objects.get(action="webhook_secret.show")
    assert (entry.object_name, entry.source) == ("shop", "page")
    assert scene.integration.webhook_secret not in json.dumps(entry.changes)


def test_the_api_lists_it_for_admins_with_the_token_that_acted(team: Team, admin: User, entries: None) -> None:
    api = api_client_of(admin, team)
    integration = factories.make_integration(team=team, name="api")
    factories.make_stack(integration=integration)
    assert api.post(f"/api/v1/integrations/{integration.pk}/provision/").status_code == 202

    [newest, *_] = api.get("/api/v1/audit-entries/?action=integration.provision").json()["results"]
    assert (newest["source"], newest["token"], newest["actor_name"]) == ("api", "test", "ada")
    assert api.get(f"/api/v1/audit-entries/{newest['id']}/").json() == newest
    assert len(api.get("/api/v1/audit-entries/?source=page").json()["results"]) == 1
    assert [one["id"] for one in api.get("/api/v1/audit-entries/?q=nothing-like-this").json()["results"]] == []
    assert newest in api.get(f"/api/v1/audit-entries/?q={newest['object_name']}").json()["results"]
    assert api.get("/api/v1/audit-entries/?since=yesterday").status_code == 400
    assert api.delete(f"/api/v1/audit-entries/{newest['id']}/").status_code == 405
    viewer = api_client_of(factories.make_user(team=team, role=Role.VIEWER), team)
    assert viewer.get("/api/v1/audit-entries/").status_code == 403


def test_what_somebody_did_in_a_team_that_is_gone_is_not_shown_to_another(
    signed_in: Client, team: Team, admin: User
) -> None:
    gone = factories.make_team(slug="globex")
    audit.record(actor=admin, team=gone, action="team.look", target=gone, changes={"plan": "secret"})
    gone.delete()
    assert shown(signed_in) == []
    audit.record(actor=admin, team=None, action="user.confirm_password", target=admin)
    assert shown(signed_in) == ["ada"]

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from deployers.models import Operation
from deployers.services import key_rotation
from integrations.models import Integration, Method, SSHKey
from teams.models import Role
from tests.api.conftest import client_of
from tests.factories import make_integration, make_operation, make_ssh_key, make_stack, make_user

FUNCTIONS = {"CreateSSHKeyFunction": "create", "GitPullFunction": "pull"}


@pytest.fixture
def integration(team) -> Integration:
    made = make_integration(team=team, name="shop", method=Method.GIT_PULL)
    make_stack(integration=made, outputs=FUNCTIONS)
    return made


@pytest.fixture
def key(integration) -> SSHKey:
    made = make_ssh_key(integration=integration, remote_state="present")
    SSHKey.objects.filter(pk=made.pk).update(created_at=timezone.now() - timedelta(days=100))
    return made


def test_list_is_narrowed_by_its_filters(api, key):
    for query, found in (
        ("", 1),
        (f"integration={key.integration_id}&state=current&at_provider=present&older_than_days=99", 1),
        ("older_than_days=101", 0),
        ("state=retired", 0),
        (f"integration={uuid4()}", 0),
    ):
        assert len(api.get(f"/api/v1/ssh-keys/?{query}").json()["results"]) == found, query
    assert api.get("/api/v1/ssh-keys/?older_than_days=old").status_code == 400


def test_one_is_rotated_once(api, key):
    url = f"/api/v1/integrations/{key.integration_id}/rotate-ssh-key/"
    started = api.post(url)
    assert (started.status_code, started.json()["kind"]) == (202, "rotate_key")
    again = api.post(url)
    assert (again.status_code, again.json()["code"]) == (409, "stack_busy")


def test_several_are_rotated_and_what_cannot_be_is_told(api, team, key):
    bare = make_integration(team=team, name="bare")
    answer = api.post(
        "/api/v1/ssh-keys/rotate/", {"integrations": [str(key.integration_id), str(bare.pk)]}, format="json"
    ).json()
    assert [each["integration"] for each in answer["operations"]] == [str(key.integration_id)]
    assert [(each["integration"], each["code"]) for each in answer["refused"]] == [(str(bare.pk), "refused")]
    followed = api.get(f"/api/v1/operations/?batch={answer['batch']}").json()["results"]
    assert [each["id"] for each in followed] == [answer["operations"][0]["id"]]


def test_all_that_are_old_are_rotated(api, team, key):
    make_ssh_key(integration=make_integration(team=team, name="young"), fingerprint="SHA256:young")
    assert len(api.post("/api/v1/ssh-keys/rotate/", {"older_than_days": 99}, format="json").json()["operations"]) == 1
    assert Operation.objects.get().integration == key.integration


def test_what_is_past_the_most_at_once_is_counted(api, team, key, monkeypatch):
    monkeypatch.setattr(key_rotation, "MOST_AT_ONCE", 1)
    make_ssh_key(integration=make_integration(team=team, name="young"), fingerprint="SHA256:young")
    answer = api.post("/api/v1/ssh-keys/rotate/", {"older_than_days": 0}, format="json").json()
    assert (len(answer["operations"]), answer["left_over"]) == (1, 1)


@pytest.mark.parametrize(
    "body", [{}, {"integrations": []}, {"older_than_days": -1}, {"older_than_days": 1, "all": True}]
)
def test_what_to_rotate_has_to_be_said(api, key, body):
    assert api.post("/api/v1/ssh-keys/rotate/", body, format="json").status_code == 400


def test_another_teams_integration_is_not_rotated(stranger_api, key):
    body = {"integrations": [str(key.integration_id)]}
    assert stranger_api.post("/api/v1/ssh-keys/rotate/", body, format="json").status_code == 400
    assert not Operation.objects.exists()


def test_revoking_takes_the_name_and_an_admin(api, team, key):
    url = f"/api/v1/ssh-keys/{key.pk}/revoke/"
    assert api.post(url, {"confirm": "something"}, format="json").json()["errors"][0]["field"] == "confirm"
    operator = client_of(make_user(team=team, role=Role.OPERATOR), team)
    assert operator.post(url, {"confirm": "shop"}, format="json").status_code == 403
    key.refresh_from_db()
    assert key.state == "current"


def test_viewers_start_nothing(viewer_api, key):
    for path in (
        f"integrations/{key.integration_id}/rotate-ssh-key/",
        f"ssh-keys/{key.pk}/repair/",
        f"ssh-keys/{key.pk}/check/",
    ):
        assert viewer_api.post(f"/api/v1/{path}").status_code == 403, path
    body = {"older_than_days": 0}
    assert viewer_api.post("/api/v1/ssh-keys/rotate/", body, format="json").status_code == 403


def test_a_key_that_is_not_in_use_is_not_repaired(api, key):
    SSHKey.objects.update(state="retired")
    assert api.post(f"/api/v1/ssh-keys/{key.pk}/repair/").status_code == 409


def test_nothing_begins_while_something_else_goes_on(api, integration):
    make_operation(stack=integration.stacks.get())
    assert api.post(f"/api/v1/integrations/{integration.pk}/rotate-ssh-key/").status_code == 409

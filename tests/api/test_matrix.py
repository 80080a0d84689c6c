"""Every operation of the API by every kind of caller: the answer is the one that the policy table says.

An allowed call may fail for other reasons, as there is no AWS and no provider behind it: it is not refused.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import responses
from django.db import transaction
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from moto import mock_aws
from rest_framework.test import APIClient

from teams.models import ApiToken, Role, Scope, Team, User
from teams.policy import RULES, Act
from tests import factories
from tests.api.conftest import client_of

COLLECTIONS = {
    "aws_accounts_create": Act.ADMINISTER_ACCOUNTS,
    "integrations_create": Act.EDIT_INTEGRATION,
    "providers_create": Act.ADMINISTER_PROVIDERS,
    "invitations_create": Act.ADMINISTER_MEMBERS,
    "invitations_list": Act.ADMINISTER_MEMBERS,
    "members_list": Act.SEE_MEMBERS,
    "repositories_create": Act.ADD_REPOSITORY,
    "ssh_keys_rotate_create": Act.ROTATE_MANY_KEYS,
    "audit_entries_list": Act.READ_AUDIT_LOG,
    "deployments_export_retrieve": Act.READ,
    "me_retrieve": None,
}
"""Operations without an id. `me_retrieve` is about the token itself."""
ONE = {
    "artifacts_download_retrieve": Act.DOWNLOAD_ARTIFACT,
    "artifacts_redeploy_create": Act.DEPLOY,
    "audit_entries_retrieve": Act.READ_AUDIT_LOG,
    "aws_accounts_partial_update": Act.ADMINISTER_ACCOUNTS,
    "aws_accounts_destroy": Act.ADMINISTER_ACCOUNTS,
    "aws_accounts_check_create": Act.CHECK_ACCOUNT,
    "aws_accounts_choices_retrieve": Act.CHECK_ACCOUNT,
    "aws_accounts_trust_policy_retrieve": Act.ADMINISTER_ACCOUNTS,
    "aws_accounts_access_template_retrieve": Act.ADMINISTER_ACCOUNTS,
    "deliveries_ask_provider_create": Act.REDELIVER,
    "deliveries_redeliver_create": Act.REDELIVER,
    "deployments_approve_create": Act.ANSWER_APPROVAL,
    "deployments_reject_create": Act.ANSWER_APPROVAL,
    "deployments_retry_create": Act.DEPLOY,
    "deployments_stop_create": Act.STOP_DEPLOYMENT,
    "integrations_partial_update": Act.EDIT_INTEGRATION,
    "integrations_destroy": Act.DELETE_INTEGRATION,
    "integrations_catch_up_create": Act.REDELIVER,
    "integrations_check_obstacles_create": Act.EDIT_INTEGRATION,
    "integrations_manual_steps_retrieve": Act.SHOW_SECRET,
    "integrations_provision_create": Act.PROVISION,
    "integrations_redrive_create": Act.REDELIVER,
    "integrations_roll_back_create": Act.DEPLOY,
    "integrations_rotate_ssh_key_create": Act.ROTATE_KEY,
    "integrations_rotate_webhook_secret_create": Act.ROTATE_SECRET,
    "invitations_destroy": Act.ADMINISTER_MEMBERS,
    "invitations_retrieve": Act.ADMINISTER_MEMBERS,
    "members_destroy": Act.ADMINISTER_MEMBERS,
    "members_partial_update": Act.ADMINISTER_MEMBERS,
    "members_retrieve": Act.SEE_MEMBERS,
    "operations_approve_create": Act.CHANGE_OPERATION,
    "operations_cancel_create": Act.CHANGE_OPERATION,
    "operations_retry_create": Act.CHANGE_OPERATION,
    "providers_partial_update": Act.ADMINISTER_PROVIDERS,
    "providers_destroy": Act.ADMINISTER_PROVIDERS,
    "providers_check_create": Act.CHECK_PROVIDER,
    "providers_host_keys_confirm_create": Act.CONFIRM_HOST_KEYS,
    "providers_host_keys_scan_create": Act.CHECK_PROVIDER,
    "providers_repositories_retrieve": Act.ADD_REPOSITORY,
    "repositories_destroy": Act.DELETE_REPOSITORY,
    "repositories_follow_create": Act.PROVISION,
    "ssh_keys_check_create": Act.REPAIR_KEY,
    "ssh_keys_repair_create": Act.REPAIR_KEY,
    "ssh_keys_revoke_create": Act.REVOKE_KEY,
    "stacks_destroy": Act.DELETE_INTEGRATION,
    "stacks_update_image_create": Act.PROVISION,
}
"""Operations on one object that need more than to see it; all others that read need Act.READ."""
ABOUT_NO_INTEGRATION = {"audit-entries", "aws-accounts", "invitations", "members", "providers", "repositories"}


@dataclass(frozen=True)
class Operation:
    """One operation of the API's own description."""

    name: str
    method: str
    path: str

    @property
    def noun(self) -> str:
        return self.path.split("/")[3]

    @property
    def about_one(self) -> bool:
        return "{id}" in self.path

    @property
    def act(self) -> Act | None:
        known = ONE if self.about_one else COLLECTIONS
        return known.get(self.name, Act.READ)


def _operations() -> Iterator[Operation]:
    schema = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    for path, methods in schema["paths"].items():
        for method, described in methods.items():
            if method in {"get", "post", "put", "patch", "delete"}:
                yield Operation(described["operationId"], method, path)


OPERATIONS = list(_operations())


def test_what_changes_something_has_an_act_of_its_own():
    reading = {each.name for each in OPERATIONS if each.act == Act.READ}
    assert {each.name for each in OPERATIONS if each.method != "get"} & reading == set()
    assert {*COLLECTIONS, *ONE} <= {each.name for each in OPERATIONS}


def _body(operation: Operation, rows: dict[str, Any]) -> dict[str, Any]:
    bodies: dict[str, dict[str, Any]] = {
        "aws_accounts_create": {"name": "new", "method": "keys", "access_key_id": "AKIA", "secret_access_key": "s"},
        "providers_create": {"kind": "github", "name": "new", "credentials": {"token": "ghp_new"}},
        "repositories_create": {"provider": str(rows["providers"].pk), "full_name": "acme/other"},
        "integrations_create": {
            "name": "new",
            "repository": str(rows["repositories"].pk),
            "aws_account": str(rows["aws-accounts"].pk),
            "region": "us-east-1",
            "application": "shop",
            "environment": "production",
        },
        "invitations_create": {"role": "viewer"},
        "members_partial_update": {"role": "operator"},
        "ssh_keys_rotate_create": {"integrations": [str(rows["integrations"].pk)]},
        "ssh_keys_revoke_create": {"confirm": rows["integrations"].name},
        "providers_host_keys_confirm_create": {"fingerprints": ["SHA256:abc"]},
    }
    return bodies.get(operation.name, {})


def _called(client: APIClient, operation: Operation, rows: dict[str, Any]) -> Any:
    """The answer; what the call changed is taken back."""
    path = operation.path
    if operation.about_one:
        path = path.replace("{id}", str(rows[operation.noun].pk))
    body = None if operation.method == "get" else _body(operation, rows)
    with transaction.atomic():
        answer = getattr(client, operation.method)(path, body, **({} if body is None else {"format": "json"}))
        transaction.set_rollback(True)
    return answer


@pytest.fixture(autouse=True)
def _nothing_outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Providers and SSH servers are not there, and AWS is an empty account."""
    with mock_aws(), responses.RequestsMock(assert_all_requests_are_fired=False):
        yield


def _expired(client: APIClient) -> APIClient:
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    return client


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_who_is_not_known_gets_401(team: Team, rows: dict[str, Any], operation: Operation):
    user = factories.make_user(team=team)
    expired = _expired(client_of(user, team))
    inactive = factories.make_user(team=team)
    out = client_of(inactive, team)
    User.objects.filter(pk=inactive.pk).update(is_active=False)
    for client in (APIClient(), expired, out):
        assert _called(client, operation, rows).status_code == 401


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_a_stranger_finds_nothing(stranger_api: APIClient, rows: dict[str, Any], operation: Operation):
    answer = _called(stranger_api, operation, rows)
    if operation.about_one:
        assert answer.status_code == 404
    elif operation.method == "get":
        theirs = [str(each.pk) for each in rows.values() if not isinstance(each.pk, int)]
        assert answer.status_code == 200
        assert not any(each in b"".join(answer).decode() for each in theirs)
    elif operation.name in {"repositories_create", "integrations_create", "ssh_keys_rotate_create"}:
        assert answer.status_code == 400


def _allowed(operation: Operation, role: Role, scope: Scope) -> bool:
    if operation.act is None:
        return True
    rule = RULES[operation.act]
    return role.includes(rule.role) and scope.includes(rule.scope)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_roles_and_scopes_are_as_the_policy_says(team: Team, rows: dict[str, Any], operation: Operation):
    callers = [(role, Scope.ADMIN) for role in Role] + [(Role.ADMIN, scope) for scope in Scope if scope != Scope.ADMIN]
    for role, scope in callers:
        client = client_of(factories.make_user(team=team, role=role), team, scope=scope)
        answer = _called(client, operation, rows)
        allowed = _allowed(operation, role, scope)
        if allowed:
            assert answer.status_code not in {401, 403, 404}, (role, scope, answer.content)
        else:
            assert answer.status_code == 403, (role, scope, answer.content)
            assert answer.json()["code"] == "forbidden"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_a_restricted_token_is_for_its_integrations_alone(
    admin: User, team: Team, rows: dict[str, Any], operation: Operation
):
    mine = client_of(admin, team, restricted_to=[rows["integrations"].pk])
    another = client_of(admin, team, restricted_to=[uuid4()])
    answer = _called(another, operation, rows)
    if operation.about_one:
        # What it may not read at all is refused before anything is looked up.
        before = operation.noun in {"audit-entries", "invitations", "members"}
        asked_first = before or operation.name == "providers_repositories_retrieve"
        assert answer.status_code == (403 if asked_first else 404)
        found = _called(mine, operation, rows)
        if operation.noun in ABOUT_NO_INTEGRATION:
            assert found.status_code in {403, 404}
        else:
            assert found.status_code not in {401, 403, 404}, found.content
    elif operation.act is not None and (RULES[operation.act].team_wide or operation.method != "get"):
        # What it would be made of is not there for it either.
        assert answer.status_code in {400, 403}
    elif operation.act is not None:
        names: Callable[[Any], bool] = lambda each: not isinstance(each.pk, int)  # noqa: E731
        assert not any(str(each.pk) in b"".join(answer).decode() for each in rows.values() if names(each))

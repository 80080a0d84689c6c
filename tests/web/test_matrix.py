"""Every page by every kind of caller: the answer is the one that the policy table says."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
import responses
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, reverse
from moto import mock_aws

from panel.web import urls
from teams.models import Role, Scope, Team, User
from teams.policy import RULES, Act
from teams.services import invitations, service_accounts, tokens
from tests.factories import make_app_setup, make_user
from tests.web.conftest import client_of
from tests.web.scene import Scene, make_scene

FOR_ALL = {
    "sign-in",
    "confirm-again",
    "team-switch",
    "healthz",
    "invitation-accept",
    "password-forgotten",
    "password-reset",
}
"""About oneself, or before one is known: they have tests of their own."""
OPENING = {
    "audit-list": Act.READ_AUDIT_LOG,
    "account-access-template": Act.ADMINISTER_ACCOUNTS,
    "member-list": Act.SEE_MEMBERS,
    "artifact-download": Act.DOWNLOAD_ARTIFACT,
    "integration-dead-letters": Act.READ,
}
"""Pages that need more than to be a member, though they change nothing."""
CHANGING = {
    "account-add": Act.ADMINISTER_ACCOUNTS,
    "account-check": Act.CHECK_ACCOUNT,
    "account-edit": Act.ADMINISTER_ACCOUNTS,
    "account-delete": Act.ADMINISTER_ACCOUNTS,
    "artifact-redeploy": Act.DEPLOY,
    "delivery-ask": Act.REDELIVER,
    "delivery-redeliver": Act.REDELIVER,
    "deployment-answer": Act.ANSWER_APPROVAL,
    "deployment-retry": Act.DEPLOY,
    "deployment-stop": Act.STOP_DEPLOYMENT,
    "invitation-add": Act.ADMINISTER_MEMBERS,
    "invitation-revoke": Act.ADMINISTER_MEMBERS,
    "member-change": Act.ADMINISTER_MEMBERS,
    "member-hand-over": Act.ADMINISTER_MEMBERS,
    "member-leave": Act.LEAVE_TEAM,
    "member-remove": Act.ADMINISTER_MEMBERS,
    "team-second-factor": Act.ADMINISTER_MEMBERS,
    "integration-add": Act.EDIT_INTEGRATION,
    "integration-edit": Act.EDIT_INTEGRATION,
    "integration-catch-up": Act.REDELIVER,
    "integration-delete": Act.DELETE_INTEGRATION,
    "integration-obstacles": Act.EDIT_INTEGRATION,
    "integration-provision": Act.PROVISION,
    "integration-redrive": Act.REDELIVER,
    "integration-roll-back": Act.DEPLOY,
    "integration-rotate-key": Act.ROTATE_KEY,
    "integration-rotate-secret": Act.ROTATE_SECRET,
    "integration-webhook": Act.SHOW_SECRET,
    "operation-approve": Act.CHANGE_OPERATION,
    "operation-cancel": Act.CHANGE_OPERATION,
    "operation-retry": Act.CHANGE_OPERATION,
    "provider-add": Act.ADMINISTER_PROVIDERS,
    "provider-app": Act.ADMINISTER_PROVIDERS,
    "provider-app-add": Act.ADMINISTER_PROVIDERS,
    "provider-check": Act.CHECK_PROVIDER,
    "provider-confirm": Act.CONFIRM_HOST_KEYS,
    "provider-delete": Act.ADMINISTER_PROVIDERS,
    "provider-edit": Act.ADMINISTER_PROVIDERS,
    "provider-scan": Act.CHECK_PROVIDER,
    "repository-add": Act.ADD_REPOSITORY,
    "repository-delete": Act.DELETE_REPOSITORY,
    "repository-follow": Act.PROVISION,
    "service-account-add": Act.ADMINISTER_SERVICE_ACCOUNTS,
    "service-account-delete": Act.ADMINISTER_SERVICE_ACCOUNTS,
    "service-account-token": Act.ADMINISTER_SERVICE_ACCOUNTS,
    "ssh-key-check": Act.REPAIR_KEY,
    "ssh-key-repair": Act.REPAIR_KEY,
    "ssh-key-revoke": Act.REVOKE_KEY,
    "ssh-key-rotate-many": Act.ROTATE_MANY_KEYS,
    "stack-delete": Act.DELETE_INTEGRATION,
    "stack-update-image": Act.PROVISION,
    "token-add": Act.MAKE_TOKEN,
    "token-revoke": Act.MAKE_TOKEN,
}
"""Pages that change something when a form is sent."""
SENT = {"integration-webhook": {"action": "show"}, "deployment-answer": {"answer": "approve"}}


@dataclass(frozen=True)
class Page:
    """One address pattern of the panel."""

    name: str
    about: str
    """The name of the argument, if it has one."""

    @property
    def act(self) -> Act:
        return CHANGING.get(self.name) or OPENING.get(self.name) or Act.READ


def _pages() -> Iterator[Page]:
    for each in urls.urlpatterns:
        # With an underscore: pages of django-allauth, about oneself and before one is known.
        if isinstance(each, URLPattern) and each.name and "_" not in each.name and each.name not in FOR_ALL:
            yield Page(each.name, next(iter(each.pattern.converters), ""))


PAGES = list(_pages())


def test_the_tables_name_pages_that_exist():
    assert {*OPENING, *CHANGING, *FOR_ALL} <= {
        *(each.name for each in PAGES),
        *(each.name for each in urls.urlpatterns if isinstance(each, URLPattern)),
    }


@pytest.fixture(autouse=True)
def _nothing_outside() -> Iterator[None]:
    """Providers are not there, and AWS is an empty account."""
    with mock_aws(), responses.RequestsMock(assert_all_requests_are_fired=False):
        yield


@pytest.fixture
def scene(team: Team) -> Scene:
    return make_scene(team)


def _url(place: Page, scene: Scene, account: User, token_owner: User) -> str:
    if not place.about:
        return reverse(place.name) + ("?kind=github" if place.name in {"provider-add", "provider-app-add"} else "")
    if place.about == "account":
        return reverse(place.name, args=[account.pk])
    if place.name == "provider-app":
        return reverse(place.name, args=[make_app_setup(team=scene.integration.team, user=token_owner).pk])
    if place.name == "token-revoke":
        token, _ = tokens.create(
            actor=token_owner, team=scene.integration.team, name="mine", scope=Scope.READ, expires_at=None
        )
        return reverse(place.name, args=[token.pk])
    if place.name.startswith("member-"):
        return reverse(place.name, args=[make_user(team=scene.integration.team, role=Role.VIEWER).memberships.get().pk])
    if place.name == "invitation-revoke":
        made, _ = invitations.create(team=scene.integration.team, actor=token_owner, role=Role.VIEWER)
        return reverse(place.name, args=[made.pk])
    if place.name == "ssh-key-batch":
        return reverse(place.name, args=[scene.operation.batch])
    noun = place.name.rpartition("-")[0].replace("-", "_")
    for known in ("ssh_key", "account", "integration", "artifact", "deployment", "delivery", "operation", "stack"):
        noun = known if noun.startswith(known) else noun
    return reverse(place.name, args=[getattr(scene, {"ssh_key": "key"}.get(noun, noun)).pk])


def _statuses(client: Client, place: Page, url: str) -> set[int]:
    """What the page answers when it is opened and, if it changes something, when its form is sent."""
    found = set()
    for method in ("get", "post"):
        if method == "post" and place.name not in CHANGING:
            continue
        with transaction.atomic():
            answer: Any = getattr(client, method)(url, SENT.get(place.name, {}))
            transaction.set_rollback(True)
        if answer.status_code != 405:
            found.add(answer.status_code)
    return found


@pytest.mark.parametrize("place", PAGES, ids=lambda each: each.name)
def test_pages_answer_as_the_policy_says(team: Team, scene: Scene, stranger: User, place: Page):
    type(scene.operation).objects.filter(pk=scene.operation.pk).update(batch=uuid4(), kind="rotate_key")
    scene.operation.refresh_from_db()
    people = {role: make_user(team=team, role=role) for role in Role}
    bot = service_accounts.create(team=team, actor=people[Role.ADMIN], name="bot", role=Role.VIEWER)
    url = _url(place, scene, bot, people[Role.ADMIN])

    inactive = make_user(team=team)
    gone = client_of(inactive)
    User.objects.filter(pk=inactive.pk).update(is_active=False)
    for client in (Client(), gone):
        assert _statuses(client, place, url) <= {302}, "who is not known signs in first"
    if place.about:
        assert _statuses(client_of(stranger), place, url) == {404}
    staff = User.objects.create_user("staff", is_staff=True, is_superuser=True)
    assert _statuses(client_of(staff), place, url) <= {403}, "staff without a team see no team's pages"
    for role, person in people.items():
        # A token of another person is not there for anybody, whatever the role.
        if place.name == "token-revoke" and role != Role.ADMIN:
            assert _statuses(client_of(person), place, url) == {404}
            continue
        statuses = _statuses(client_of(person), place, url)
        if role.includes(RULES[place.act].role):
            assert not statuses & {401, 403, 404}, (role, statuses)
        else:
            assert 403 in statuses, (role, statuses)
            assert statuses <= {200, 403}, (role, statuses)

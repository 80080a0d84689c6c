"""What stands in the way at the provider, asked before anything is provisioned."""

import pytest
import responses
from django.core.cache import cache
from django.utils import timezone

from integrations.models import Integration, Method, RemoteState, WebhookState
from integrations.services import integrations, obstacles, providers, ssh_keys, webhooks
from teams.errors import Forbidden
from teams.models import Membership, Role, Team, User
from tests import factories
from tests.integrations.providers.contract import HOOK_URL, REPOSITORY
from tests.integrations.providers.fake_github import FakeGitHub


@pytest.fixture(autouse=True)
def _no_pause() -> None:
    cache.clear()


def told(integration: Integration) -> list[str]:
    return [each.purpose for each in obstacles.standing(Integration.objects.get(pk=integration.pk))]


def make(team: Team, admin: User, integration: Integration, **fields: object) -> Integration:
    return integrations.create(
        team=team,
        actor=admin,
        repository=integration.repository,
        aws_account=integration.aws_account,
        region="eu-central-1",
        application="shop",
        environment="production",
        **{"name": "shop-2", **fields},  # type: ignore[arg-type]
    )


def test_a_new_integration_tells_what_its_token_may_not_and_what_to_do(
    team: Team, admin: User, integration: Integration, github: FakeGitHub
):
    github.forbid_administration()
    github.forbid_writing()
    made = make(team, admin, integration, method=Method.GIT_PULL, commit_statuses=True)
    found = obstacles.standing(Integration.objects.get(pk=made.pk))
    assert [each.purpose for each in found] == ["webhook", "deploy_key", "commit_statuses"]
    assert [each.page_url for each in found] == [
        "https://github.com/acme/shop/settings/hooks/new",
        "https://github.com/acme/shop/settings/keys/new",
        "",
    ]
    assert all("admin of acme/shop" in each.remedy for each in found[:2])
    assert "shows what to paste" in found[0].by_hand
    assert made.obstacles_problem == ""
    assert made.obstacles_checked_at is not None
    assert {call.request.method for call in github.mock.calls} == {"GET"}


def test_an_organization_that_forbids_deploy_keys_is_told_for_git_pull_alone(
    team: Team, admin: User, integration: Integration, github: FakeGitHub
):
    github.organization = {"login": "acme", "deploy_keys_enabled_for_repositories": False}
    made = make(team, admin, integration)
    assert told(made) == []
    integrations.update(integration=made, actor=admin, method=Method.GIT_PULL)
    (found,) = obstacles.standing(made)
    assert (found.purpose, found.message) == ("deploy_key", "The organization does not allow deploy keys.")
    assert "owner of the organization" in found.remedy
    integrations.update(integration=made, actor=admin, method=Method.ZIP_DOWNLOAD)
    assert told(made) == []


def test_a_provider_that_cannot_be_asked_refuses_nothing_and_is_left_alone_for_a_while(
    team: Team, admin: User, integration: Integration, github: FakeGitHub
):
    github.limit_rate(30)
    made = make(team, admin, integration)
    assert "asks for fewer calls" in made.obstacles_problem
    assert told(made) == []
    calls = len(github.mock.calls)
    obstacles.look_again(integration=made, actor=admin)
    assert len(github.mock.calls) == calls
    assert "a moment ago" in Integration.objects.get(pk=made.pk).obstacles_problem


def test_the_clock_asks_of_which_nothing_is_known_and_leaves_the_rest(
    integration: Integration, admin: User, github: FakeGitHub
):
    github.forbid_administration()
    assert obstacles.look_due() == 1
    assert told(integration) == ["webhook"]
    assert obstacles.look_due() == 0
    Integration.objects.update(obstacles_problem="It was down.")
    assert obstacles.look_due() == 0
    Integration.objects.update(obstacles_checked_at=timezone.now() - obstacles.EVERY)
    assert obstacles.look_due() == 1
    Integration.objects.update(obstacles_checked_at=None, webhook_state=WebhookState.VERIFIED)
    assert obstacles.look_due() == 0


def test_other_credentials_are_asked_about_anew(integration: Integration, admin: User, github: FakeGitHub):
    github.forbid_administration()
    obstacles.look(integration=integration)
    provider = integration.repository.provider
    providers.update(provider=provider, actor=admin, name="Renamed")
    assert told(integration) == ["webhook"]
    providers.update(provider=provider, actor=admin, credentials={"token": "ghp_" + "b2" * 18})
    assert told(integration) == []
    assert obstacles.look_due() == 1
    assert told(integration) == ["webhook"]


def test_a_repository_that_is_gone_is_told_as_such(integration: Integration, admin: User, github: FakeGitHub):
    github.mock.reset()
    github.mock.add(responses.GET, f"https://api.github.com/repos/{REPOSITORY}", status=404, json={})
    github.mock.add(responses.GET, f"https://api.github.com/repos/{REPOSITORY}/hooks", status=404, json={})
    obstacles.look_again(integration=integration, actor=admin)
    assert "no repository acme/shop" in integration.obstacles_problem


def test_what_was_tried_meanwhile_speaks_for_itself(integration: Integration, admin: User, github: FakeGitHub):
    integration.method = Method.GIT_PULL
    github.forbid_administration()
    obstacles.look(integration=integration)
    assert [each.purpose for each in obstacles.standing(integration)] == ["webhook", "deploy_key"]
    assert webhooks.install(integration=integration, url=HOOK_URL) == WebhookState.MANUAL
    assert [each.purpose for each in obstacles.standing(integration)] == ["deploy_key"]
    key = factories.make_ssh_key(integration=integration)
    assert [each.purpose for each in obstacles.standing(integration)] == ["deploy_key"]
    assert ssh_keys.install(key=key) == RemoteState.MANUAL
    assert obstacles.standing(integration) == []


def test_once_the_token_may_it_is_forgotten(integration: Integration, admin: User, github: FakeGitHub):
    github.forbid_administration()
    obstacles.look_again(integration=integration, actor=admin)
    assert told(integration) == ["webhook"]
    github.may_administrate = github.admin = True
    obstacles.look_again(integration=integration, actor=admin)
    assert told(integration) == []


def test_a_viewer_may_not_have_the_provider_asked(integration: Integration, team: Team, github: FakeGitHub):
    viewer = User.objects.create_user("vera")
    Membership.objects.create(team=team, user=viewer, role=Role.VIEWER)
    with pytest.raises(Forbidden):
        obstacles.look_again(integration=integration, actor=viewer)
    assert not github.mock.calls

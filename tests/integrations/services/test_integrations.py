import pytest

from deployers import catalog
from deployers.models import AwsAccount
from integrations.errors import InvalidValue
from integrations.models import Integration, Method, Provider, Repository
from integrations.services import integrations, settings_values
from teams.errors import Forbidden
from teams.models import AuditEntry, Membership, Role, Team, User
from tests import factories
from tests.integrations.providers.fake_github import FakeGitHub


@pytest.fixture
def repository(provider: Provider) -> Repository:
    return factories.make_repository(provider=provider, full_name="acme/shop")


@pytest.fixture
def account(team: Team) -> AwsAccount:
    return factories.make_account(team=team)


@pytest.fixture
def fields(team: Team, admin: User, repository: Repository, account: AwsAccount) -> dict:
    return {
        "team": team,
        "actor": admin,
        "name": "shop",
        "repository": repository,
        "aws_account": account,
        "region": "eu-central-1",
        "application": "shop",
        "environment": "production",
    }


def test_an_integration_is_stored_with_a_secret_of_its_own(fields: dict, admin: User):
    first = integrations.create(**fields)
    second = integrations.create(**{**fields, "name": "shop-2"})
    stored = Integration.objects.get(pk=first.pk)
    assert stored.refs == ["**"]
    assert stored.created_by == admin
    assert len(stored.webhook_secret) == 64
    assert stored.webhook_secret == first.webhook_secret != second.webhook_secret
    assert [entry.action for entry in AuditEntry.objects.all()] == ["integration.create"] * 2
    assert first.webhook_secret not in str([entry.changes for entry in AuditEntry.objects.all()])


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "Shop"}, "name"),
        ({"name": "-shop"}, "name"),
        ({"name": "shop-"}, "name"),
        ({"name": "1shop"}, "name"),
        ({"name": "s" * 61}, "name"),
        ({"method": "ftp"}, "method"),
        ({"refs": []}, "refs"),
        ({"refs": [" "]}, "refs"),
        ({"refs": ["main,dev"]}, "refs"),
        ({"refs": ["feature branch"]}, "refs"),
        ({"refs": ["tags:"]}, "refs"),
        ({"deploy_ref": "a..b"}, "deploy_ref"),
        ({"refs": ["main"], "deploy_ref": "dev"}, "deploy_ref"),
        ({"refs": ["tags:v*"], "deploy_ref": "v1"}, "deploy_ref"),
        ({"refs": ["dev"], "deployers": ["codedeploy"]}, "deploy_ref"),
        ({"region": "europe"}, "region"),
        ({"application": ""}, "application"),
        ({"environment": "a\nb"}, "environment"),
        ({"deployers": ["heroku"]}, "deployers"),
        ({"parameters": {"codedeploy": {"Memory": ["512"]}}}, "parameters"),
        ({"parameters": {"codedeploy": "512"}}, "parameters"),
    ],
)
def test_a_value_that_does_not_fit_is_shown_at_its_field(fields: dict, given: dict, field: str):
    with pytest.raises(InvalidValue) as caught:
        integrations.create(**{**fields, **given})
    assert caught.value.field == field
    assert not Integration.objects.exists()


def test_refs_are_stripped_and_stored_once(fields: dict):
    assert integrations.create(**{**fields, "refs": [" main ", "main", "tags:v*"]}).refs == ["main", "tags:v*"]


def test_with_a_deployer_the_default_branch_is_deployed_unless_another_is_named(fields: dict):
    assert integrations.create(**{**fields, "deployers": ["codedeploy", "codedeploy"]}).deploy_ref == "main"
    named = integrations.create(**{**fields, "name": "two", "deployers": ["codedeploy"], "deploy_ref": "release/1"})
    assert named.deploy_ref == "release/1"
    assert integrations.create(**{**fields, "name": "three"}).deploy_ref == ""


def test_a_name_is_taken_once_per_team(fields: dict):
    integrations.create(**fields)
    with pytest.raises(InvalidValue, match="already") as caught:
        integrations.create(**fields)
    assert caught.value.field == "name"


@pytest.mark.parametrize("field", ["repository", "aws_account"])
def test_what_belongs_to_another_team_cannot_be_used(fields: dict, field: str):
    other = factories.make_team(slug="globex")
    theirs = factories.make_repository(team=other) if field == "repository" else factories.make_account(team=other)
    with pytest.raises(InvalidValue) as caught:
        integrations.create(**{**fields, field: theirs})
    assert caught.value.field == field


def test_git_pull_needs_the_hosts_keys(fields: dict, provider: Provider):
    assert integrations.create(**{**fields, "method": Method.GIT_PULL}).method == Method.GIT_PULL
    Provider.objects.update(ssh_known_hosts="")
    fields["repository"] = Repository.objects.get()
    with pytest.raises(InvalidValue, match="host keys") as caught:
        integrations.create(**{**fields, "name": "two", "method": Method.GIT_PULL})
    assert caught.value.field == "method"


def test_an_update_changes_what_is_given_and_logs_it(fields: dict, admin: User):
    integration = integrations.create(**{**fields, "parameters": {"codedeploy": {"Password": "hunter2"}}})
    secret = integration.webhook_secret
    integrations.update(
        integration=integration, actor=admin, refs=["main"], parameters={"codedeploy": {"Password": "correct horse"}}
    )
    stored = Integration.objects.get()
    assert (stored.refs, stored.environment, stored.webhook_secret) == (["main"], "production", secret)
    entry = AuditEntry.objects.get(action="integration.update")
    assert entry.changes == {"refs": [["**"], ["main"]], "parameters": "changed"}


def test_an_update_of_nothing_is_not_logged(fields: dict, admin: User):
    integration = integrations.create(**fields)
    integrations.update(integration=integration, actor=admin, name="shop", refs=["**"])
    assert not AuditEntry.objects.filter(action="integration.update").exists()


def test_an_update_is_validated_as_a_whole(fields: dict, admin: User):
    integration = integrations.create(**{**fields, "deploy_ref": "main"})
    with pytest.raises(InvalidValue) as caught:
        integrations.update(integration=integration, actor=admin, refs=["dev"])
    assert caught.value.field == "deploy_ref"
    assert Integration.objects.get().refs == ["**"]


def test_a_viewer_may_neither_create_nor_update(fields: dict, admin: User):
    integration = integrations.create(**fields)
    Membership.objects.filter(user=admin).update(role=Role.VIEWER)
    with pytest.raises(Forbidden):
        integrations.create(**{**fields, "name": "two"})
    with pytest.raises(Forbidden):
        integrations.update(integration=integration, actor=admin, name="two")


def test_filters_and_switches_are_stored(fields: dict, admin: User, github: FakeGitHub):
    chosen = {"skip_ci": False, "submodules": True, "lfs": True, "commit_statuses": True, "restrict_source_ips": True}
    globs = {"paths": ["/src/**", " *.md ", "", "src/**"], "ignored_paths": ["docs/**"]}
    integration = integrations.create(**{**fields, **chosen, **globs, "method": Method.GIT_PULL})
    stored = Integration.objects.get()
    assert {field: getattr(stored, field) for field in chosen} == chosen
    assert (stored.paths, stored.ignored_paths) == (["src/**", "*.md"], ["docs/**"])
    assert stored.repository.provider.webhook_networks == ["140.82.112.0/20", "192.30.252.0/22", "2a0a:a440::/29"]

    integrations.update(integration=integration, actor=admin, lfs=False, paths=[])

    stored.refresh_from_db()
    assert (stored.lfs, stored.submodules, stored.paths) == (False, True, [])
    assert AuditEntry.objects.get(action="integration.update").changes == {
        "lfs": [True, False],
        "paths": [["src/**", "*.md"], []],
    }


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"paths": ["a,b"]}, "paths"),
        ({"paths": ["p" * 256]}, "paths"),
        ({"ignored_paths": ["a\nb"]}, "ignored_paths"),
        ({"ignored_paths": [f"{n}" * 200 for n in range(9)]}, "ignored_paths"),
        ({"submodules": True}, "submodules"),
        ({"lfs": True}, "lfs"),
    ],
)
def test_a_filter_or_switch_that_does_not_fit_is_shown_at_its_field(fields: dict, given: dict, field: str):
    with pytest.raises(InvalidValue) as caught:
        integrations.create(**{**fields, **given})
    assert caught.value.field == field


def test_zip_download_is_chosen_only_once_what_git_pull_alone_can_do_is_off(fields: dict, admin: User):
    integration = integrations.create(**{**fields, "method": Method.GIT_PULL, "lfs": True})
    with pytest.raises(InvalidValue) as caught:
        integrations.update(integration=integration, actor=admin, method=Method.ZIP_DOWNLOAD)
    assert caught.value.field == "lfs"
    integrations.update(integration=integration, actor=admin, method=Method.ZIP_DOWNLOAD, lfs=False)
    assert integration.lfs is False


def test_webhooks_are_not_restricted_to_networks_that_nobody_publishes(fields: dict, github: FakeGitHub):
    github.meta = {"ssh_keys": []}
    with pytest.raises(InvalidValue, match="does not publish") as caught:
        integrations.create(**{**fields, "restrict_source_ips": True})
    assert caught.value.field == "restrict_source_ips"
    assert not Integration.objects.exists()


def operator(team: Team) -> User:
    return factories.make_user(team=team, role=Role.OPERATOR)


@pytest.mark.parametrize(
    ("kind", "name"), [("ecs", "TaskPermissionsBoundary"), ("ecs", "SNSTopicEmailAddress"), ("codedeploy", "SshCidr")]
)
def test_parameters_that_give_rights_are_for_admins(fields: dict, team: Team, admin: User, kind: str, name: str):
    boundary = {kind: {name: "value"}}
    with pytest.raises(Forbidden, match=f"{name} may be changed by admins only"):
        integrations.create(**{**fields, "actor": operator(team), "parameters": boundary})
    assert not Integration.objects.exists()
    integration = integrations.create(**fields, parameters=boundary)
    for other in ({}, {kind: {}}, {kind: {name: ""}}, {kind: {name: "other"}}):
        with pytest.raises(Forbidden):
            integrations.update(integration=integration, actor=operator(team), parameters=other)
    integration.refresh_from_db()
    assert integration.parameters == boundary


def test_an_operator_changes_the_other_parameters_beside_one_of_an_admin(fields: dict, team: Team):
    given = {"ecs": {"TaskPermissionsBoundary": "arn:aws:iam::123456789012:policy/wide", "TaskCpu": "256"}}
    integration = integrations.create(**fields, parameters=given)
    given["ecs"]["TaskCpu"] = "512"
    integrations.update(integration=integration, actor=operator(team), parameters=given, application="other")
    integration.refresh_from_db()
    assert integration.parameters["ecs"]["TaskCpu"] == "512"


def test_parameters_for_admins_are_parameters_of_templates():
    settable = {name for kind in catalog.KINDS.values() for name in kind.settable}
    assert settable >= settings_values.ADMIN_PARAMETERS

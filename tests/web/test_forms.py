"""Forms: read, one service, a page. The provider answers at the socket."""

import re
from uuid import UUID

import pytest
import responses
from django.test import Client
from django.urls import reverse
from moto import mock_aws
from pytest_django.fixtures import Settings

from deployers.models import AwsAccount, Operation, OperationKind
from deployers.states import OperationStatus
from integrations.models import Integration, Method, Provider, Repository
from teams.models import ApiToken, Role, Scope, Team
from teams.services import tokens
from tests import factories
from tests.api.github import API, TOKEN, answer_as_github, repository
from tests.web.conftest import client_of
from tests.web.scene import make_scene

HTMX = {"HX-Request": "true"}
INTEGRATION = {
    "method": Method.ZIP_DOWNLOAD,
    "refs": "main, release/*",
    "region": "eu-west-1",
    "name": "shop",
    "application": "shop",
    "environment": "production",
    "deploy_ref": "",
    "parameters": "",
}


def test_a_provider_is_checked_and_added(signed_in: Client, team: Team, http: responses.RequestsMock) -> None:
    answer_as_github(http)
    answer = signed_in.post(f"{reverse('provider-add')}?kind=github", {"name": "acme", "token": TOKEN})
    provider = Provider.objects.get()
    assert answer["Location"] == reverse("provider-detail", args=[provider.pk])
    assert (provider.team, provider.login, provider.credentials) == (team, "ada", {"token": TOKEN})


def test_a_wrong_token_is_said_at_its_field_and_never_shown_again(
    signed_in: Client, http: responses.RequestsMock
) -> None:
    http.get(f"{API}/user", status=401, json={"message": "Bad credentials"})
    page = signed_in.post(f"{reverse('provider-add')}?kind=github", {"name": "acme", "token": TOKEN}).content.decode()
    assert 'id="id_token_error"' in page
    assert 'aria-invalid="true"' in page
    assert TOKEN not in page
    assert not Provider.objects.exists()


def test_a_kind_that_is_not_offered_leads_to_the_choice(signed_in: Client) -> None:
    page = signed_in.get(f"{reverse('provider-add')}?kind=sourceforge").content.decode()
    assert "?kind=github_enterprise" in page
    assert '<form class="form"' not in page


def test_only_a_self_hosted_kind_asks_for_an_address(signed_in: Client) -> None:
    assert "id_base_url" not in signed_in.get(f"{reverse('provider-add')}?kind=github").content.decode()
    assert "id_base_url" in signed_in.get(f"{reverse('provider-add')}?kind=github_enterprise").content.decode()


def test_editing_with_an_empty_token_keeps_the_old_one(
    signed_in: Client, team: Team, http: responses.RequestsMock
) -> None:
    answer_as_github(http)
    provider = factories.make_provider(team=team, credentials={"token": TOKEN})
    answer = signed_in.post(reverse("provider-edit", args=[provider.pk]), {"name": "renamed", "token": ""})
    assert answer.status_code == 302
    provider.refresh_from_db()
    assert (provider.name, provider.credentials) == ("renamed", {"token": TOKEN})


def test_a_failed_check_shows_on_the_page_of_the_provider(
    signed_in: Client, team: Team, http: responses.RequestsMock
) -> None:
    http.get(f"{API}/user", status=401, json={"message": "Bad credentials"})
    provider = factories.make_provider(team=team)
    page = signed_in.post(reverse("provider-check", args=[provider.pk]), follow=True).content.decode()
    provider.refresh_from_db()
    assert provider.check_error
    assert "status-bad" in page


def test_a_repository_is_picked_from_the_provider_list(
    signed_in: Client, team: Team, http: responses.RequestsMock
) -> None:
    answer_as_github(http, "acme/shop", "acme/blog")
    provider = factories.make_provider(team=team)
    factories.make_repository(provider=provider, full_name="acme/blog")
    url = f"{reverse('repository-add')}?provider={provider.pk}"
    page = signed_in.get(url).content.decode()
    assert 'name="full_name" value="acme/shop"' in page
    assert 'name="full_name" value="acme/blog"' not in page, "it is added already"
    assert signed_in.post(url, {"full_name": "acme/shop"}).status_code == 302
    assert Repository.objects.get(full_name="acme/shop").default_branch == "main"


def test_typing_in_the_search_swaps_only_the_list(signed_in: Client, team: Team, http: responses.RequestsMock) -> None:
    answer_as_github(http, "acme/shop", "acme/blog")
    provider = factories.make_provider(team=team)
    query = {"provider": str(provider.pk), "q": "sho"}
    fragment = signed_in.get(reverse("repository-add"), query, headers=HTMX).content.decode()
    assert "acme/shop" in fragment
    assert "acme/blog" not in fragment
    assert "<html" not in fragment


def test_a_provider_that_does_not_answer_leaves_typing_the_name(
    signed_in: Client, team: Team, http: responses.RequestsMock
) -> None:
    http.get(f"{API}/user/repos", status=401, json={"message": "Bad credentials"})
    http.get(f"{API}/repos/acme/shop", json=repository("acme/shop"))
    url = f"{reverse('repository-add')}?provider={factories.make_provider(team=team).pk}"
    page = signed_in.get(url)
    assert page.status_code == 200
    assert "note-bad" in page.content.decode()
    assert signed_in.post(url, {"full_name": "acme/shop"}).status_code == 302


def test_another_teams_provider_cannot_be_used_for_a_repository(signed_in: Client, team: Team) -> None:
    theirs = factories.make_provider(team=factories.make_team(slug="globex"))
    signed_in.post(f"{reverse('repository-add')}?provider={theirs.pk}", {"full_name": "acme/shop"})
    assert not Repository.objects.exists()


def test_an_account_with_a_role_shows_the_trust_policy_to_paste(signed_in: Client, team: Team) -> None:
    role = "arn:aws:iam::123456789012:role/sluice"
    answer = signed_in.post(
        f"{reverse('account-add')}?method=role", {"name": "prod", "role_arn": role, "default_region": "eu-west-1"}
    )
    account = AwsAccount.objects.get(team=team)
    assert answer["Location"] == reverse("account-detail", args=[account.pk])
    page = signed_in.get(answer["Location"]).content.decode()
    assert "sts:ExternalId" in page
    assert account.external_id in page


@mock_aws
def test_a_secret_access_key_is_only_ever_written(signed_in: Client, team: Team) -> None:
    fields = {"name": "prod", "access_key_id": "AKIAEXAMPLE", "default_region": "us-east-1"}
    signed_in.post(f"{reverse('account-add')}?method=keys", {**fields, "secret_access_key": "canary"})
    account = AwsAccount.objects.get(team=team)
    edit = reverse("account-edit", args=[account.pk])
    assert "canary" not in signed_in.get(edit).content.decode()
    signed_in.post(edit, {**fields, "name": "renamed", "secret_access_key": ""})
    account.refresh_from_db()
    assert (account.name, account.secret_access_key) == ("renamed", "canary")


@mock_aws
def test_the_panels_own_credentials_are_for_superusers_and_tried_at_once(
    signed_in: Client, team: Team, settings: Settings
) -> None:
    root = client_of(factories.make_user(team=team, is_superuser=True))
    url, fields = f"{reverse('account-add')}?method=ambient", {"name": "here", "default_region": "us-east-1"}
    assert "method=ambient" not in signed_in.get(reverse("account-add")).content.decode()
    assert signed_in.post(url, fields).status_code == 403
    settings.AMBIENT_AWS = False
    assert "method=ambient" not in root.get(reverse("account-add")).content.decode()
    assert "does not lend" in root.post(url, fields).content.decode()
    assert not AwsAccount.objects.exists()
    settings.AMBIENT_AWS = True
    assert "method=ambient" in root.get(reverse("account-add")).content.decode()
    root.post(f"{reverse('account-add')}?method=ambient", {"name": "here", "default_region": "us-east-1"})
    assert AwsAccount.objects.get(team=team).account_id == "123456789012"


@pytest.mark.parametrize("region", ["", "Ireland", "eu-west-1; rm", "eu-west-9", "aws-global"])
def test_a_region_that_cannot_be_is_refused_at_its_field(region: str, signed_in: Client) -> None:
    fields = {"name": "prod", "role_arn": "arn:aws:iam::123456789012:role/sluice", "default_region": region}
    page = signed_in.post(f"{reverse('account-add')}?method=role", fields)
    assert not AwsAccount.objects.exists()
    assert 'id="id_default_region_error"' in page.content.decode()


@pytest.mark.parametrize("role_arn", ["sluice", "arn:aws:iam::123456789012:user/ada", "arn:aws:iam::1:role/sluice"])
def test_a_role_arn_that_cannot_be_is_refused_at_its_field(role_arn: str, signed_in: Client) -> None:
    fields = {"name": "prod", "role_arn": role_arn, "default_region": "eu-west-1"}
    page = signed_in.post(f"{reverse('account-add')}?method=role", fields)
    assert not AwsAccount.objects.exists()
    assert 'id="id_role_arn_error"' in page.content.decode()


def test_regions_come_as_a_list(signed_in: Client) -> None:
    page = signed_in.get(f"{reverse('account-add')}?method=role").content.decode()
    assert '<option value="eu-west-1">eu-west-1 · Europe (Ireland)</option>' in page
    assert 'label="AWS in China"' in page


def test_an_integration_is_added_and_provisioned_in_one_go(signed_in: Client, team: Team) -> None:
    repository = factories.make_repository(team=team)
    account = factories.make_account(team=team)
    answer = signed_in.post(
        reverse("integration-add"),
        {**INTEGRATION, "repository": repository.pk, "aws_account": account.pk, "provision": "1"},
    )
    integration = Integration.objects.get()
    assert answer["Location"] == reverse("integration-detail", args=[integration.pk])
    assert integration.refs == ["main", "release/*"]
    operation = Operation.objects.get(integration=integration)
    assert (operation.kind, operation.status) == (OperationKind.CREATE, OperationStatus.QUEUED)
    assert "Setting up" in signed_in.get(answer["Location"]).content.decode()


def test_what_the_service_refuses_stands_at_its_field_and_nothing_is_lost(signed_in: Client, team: Team) -> None:
    repository = factories.make_repository(team=team)
    account = factories.make_account(team=team)
    fields = {**INTEGRATION, "repository": repository.pk, "aws_account": account.pk, "name": "9 lives"}
    page = signed_in.post(reverse("integration-add"), fields).content.decode()
    assert 'id="id_name_error"' in page
    assert 'value="main, release/*"' in page
    assert not Integration.objects.exists()


def test_the_form_is_filled_in_for_the_repository_it_was_opened_from(signed_in: Client, team: Team) -> None:
    repository = factories.make_repository(team=team, full_name="acme/Big.Shop")
    factories.make_account(team=team, default_region="eu-north-1")
    page = signed_in.get(reverse("integration-add"), {"repository": str(repository.pk)}).content.decode()
    assert 'value="big-shop"' in page
    assert 'value="eu-north-1"' in page
    assert f'<option value="{repository.pk}" selected>' in page


def test_other_teams_repositories_and_accounts_are_no_choices(signed_in: Client, team: Team) -> None:
    other = factories.make_team(slug="globex")
    theirs = factories.make_repository(team=other)
    factories.make_repository(team=team)
    factories.make_account(team=team)
    fields = {**INTEGRATION, "repository": theirs.pk, "aws_account": factories.make_account(team=other).pk}
    page = signed_in.post(reverse("integration-add"), fields).content.decode()
    assert 'id="id_repository_error"' in page
    assert 'id="id_aws_account_error"' in page


def test_settings_change_what_may_change(operator: Client, team: Team) -> None:
    scene = make_scene(team, method=Method.ZIP_DOWNLOAD)
    url = reverse("integration-edit", args=[scene.integration.pk])
    assert "id_region" not in operator.get(url).content.decode()
    fields = {**INTEGRATION, "name": "other", "region": "eu-west-1", "refs": "main", "environment": "staging"}
    assert operator.post(url, fields).status_code == 302
    scene.integration.refresh_from_db()
    assert (scene.integration.environment, scene.integration.refs) == ("staging", ["main"])
    assert (scene.integration.name, scene.integration.region) == ("shop", "us-east-1")


def test_what_counts_as_a_push_and_what_the_provider_is_told_can_be_chosen(signed_in: Client, team: Team) -> None:
    provider = factories.make_provider(team=team, webhook_networks=["192.30.252.0/22"])
    fields = {
        **INTEGRATION,
        "repository": factories.make_repository(provider=provider).pk,
        "aws_account": factories.make_account(team=team).pk,
        "paths": "services/shop/**, *.lock",
        "ignored_paths": "docs/**",
        "commit_statuses": "on",
        "restrict_source_ips": "on",
    }
    assert signed_in.post(reverse("integration-add"), fields).status_code == 302
    integration = Integration.objects.get()
    assert (integration.paths, integration.ignored_paths) == (["services/shop/**", "*.lock"], ["docs/**"])
    assert (integration.skip_ci, integration.commit_statuses, integration.restrict_source_ips) == (False, True, True)
    page = signed_in.get(reverse("integration-edit", args=[integration.pk])).content.decode()
    assert 'value="services/shop/**, *.lock"' in page
    assert 'name="skip_ci"' in page


def test_a_new_integration_skips_ci_unless_told_otherwise(signed_in: Client, team: Team) -> None:
    factories.make_repository(team=team)
    factories.make_account(team=team)
    page = signed_in.get(reverse("integration-add")).content.decode()
    boxes = dict(re.findall(r'<input type="checkbox" name="(\w+)"([^>]*)>', page))
    assert {name: "checked" in rest for name, rest in boxes.items()} == {
        "skip_ci": True,
        "submodules": False,
        "lfs": False,
        "commit_statuses": False,
        "restrict_source_ips": False,
    }


@pytest.mark.parametrize(("method", "kept"), [(Method.GIT_PULL, True), (Method.ZIP_DOWNLOAD, False)])
def test_only_git_pull_fetches_submodules_and_lfs(method: Method, kept: bool, operator: Client, team: Team) -> None:
    scene = make_scene(team)
    Provider.objects.update(ssh_known_hosts=f"github.com {factories.PUBLIC_KEY}")
    url = reverse("integration-edit", args=[scene.integration.pk])
    fields = {**INTEGRATION, "method": method, "refs": "main", "submodules": "on", "lfs": "on"}
    assert operator.post(url, fields).status_code == 302
    scene.integration.refresh_from_db()
    assert (scene.integration.submodules, scene.integration.lfs) == (kept, kept)


def test_what_is_wrong_with_an_advanced_field_opens_the_fold(signed_in: Client, team: Team) -> None:
    fields = {
        **INTEGRATION,
        "repository": factories.make_repository(team=team).pk,
        "aws_account": factories.make_account(team=team).pk,
        "ignored_paths": 'a"b',
    }
    page = signed_in.post(reverse("integration-add"), fields).content.decode()
    assert 'id="id_ignored_paths_error"' in page
    assert "<details open>" in page


def test_provisioning_twice_says_that_one_is_active(signed_in: Client, team: Team) -> None:
    integration = factories.make_integration(team=team)
    url = reverse("integration-provision", args=[integration.pk])
    signed_in.post(url)
    page = signed_in.post(url, follow=True).content.decode()
    assert "One operation at a time" in page
    assert Operation.objects.filter(integration=integration).count() == 1


def test_cancelling_a_queued_operation(signed_in: Client, team: Team) -> None:
    operation = factories.make_operation(integration=factories.make_integration(team=team))
    signed_in.post(reverse("operation-cancel", args=[operation.pk]))
    operation.refresh_from_db()
    assert operation.status == OperationStatus.CANCELLED


def test_retrying_a_failed_operation_starts_a_new_one(signed_in: Client, team: Team) -> None:
    integration = factories.make_integration(team=team)
    failed = factories.make_operation(integration=integration, status=OperationStatus.FAILED)
    answer = signed_in.post(reverse("operation-retry", args=[failed.pk]))
    assert answer["Location"] == reverse("integration-detail", args=[integration.pk])
    assert Operation.objects.filter(integration=integration, status=OperationStatus.QUEUED).count() == 1


def test_a_token_is_shown_once_and_works(signed_in: Client, team: Team) -> None:
    page = signed_in.post(reverse("token-add"), {"name": "ci", "lifetime": "30", "scope": "deploy"})
    plain = page.context["plain"]
    assert plain in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    found = tokens.authenticate(plain)
    assert found
    assert found.team == team
    assert plain not in signed_in.get(reverse("token-list")).content.decode()


def test_a_token_of_somebody_else_cannot_be_revoked(team: Team, signed_in: Client) -> None:
    token, _ = tokens.create(
        actor=factories.make_user(team=team, role=Role.VIEWER), team=team, name="theirs", scope=Scope.READ
    )
    url = reverse("token-revoke", args=[token.pk])
    assert signed_in.post(url, {"confirm": "theirs"}).status_code == 404
    assert client_of(token.user).post(url, {"confirm": "theirs"}).status_code == 302
    assert not ApiToken.objects.exists()


def test_an_unknown_id_is_not_found(signed_in: Client) -> None:
    assert signed_in.get(reverse("integration-detail", args=[UUID(int=0)])).status_code == 404

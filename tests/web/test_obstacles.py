"""What the provider will not let us do is on the integration's page, and in the API, before anything is provisioned."""

from collections.abc import Iterator

import pytest
import responses
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from integrations.models import Integration, Method, Repository
from teams.models import Team
from tests import factories
from tests.api.conftest import api, viewer_api
from tests.integrations.providers.contract import REPOSITORY
from tests.integrations.providers.fake_github import FakeGitHub

__all__ = ["api", "viewer_api"]


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    cache.clear()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield FakeGitHub(mock)


@pytest.fixture
def repository(team: Team) -> Repository:
    return factories.make_repository(team=team, full_name=REPOSITORY)


@pytest.fixture
def integration(repository: Repository) -> Integration:
    return factories.make_integration(repository=repository, method=Method.GIT_PULL)


def test_an_added_integration_shows_them_above_everything_and_may_be_provisioned(
    operator: Client, repository: Repository, team: Team, github: FakeGitHub
) -> None:
    github.forbid_administration()
    fields = {
        "name": "shop",
        "repository": str(repository.pk),
        "method": "zip_download",
        "refs": "main",
        "aws_account": str(factories.make_account(team=team).pk),
        "region": "eu-central-1",
        "application": "shop",
        "environment": "production",
    }
    answer = operator.post(reverse("integration-add"), fields, follow=True)
    assert answer.redirect_chain, answer.context["form"].errors
    page = answer.content.decode()
    assert "The webhook cannot be installed" in page
    assert "must be an admin of acme/shop" in page
    assert "shows what to paste" in page
    assert "https://github.com/acme/shop/settings/hooks/new" in page
    assert page.index("Before you provision") < page.index("Webhook URL")
    assert reverse("integration-provision", args=[Integration.objects.get().pk]) in page


def test_once_it_was_changed_at_the_provider_it_is_asked_again(
    operator: Client, viewer: Client, integration: Integration, github: FakeGitHub
) -> None:
    page, again = (reverse(f"integration-{name}", args=[integration.pk]) for name in ("detail", "obstacles"))
    github.organization = {"login": "acme", "deploy_keys_enabled_for_repositories": False}
    assert "The organization does not allow deploy keys." in operator.post(again, follow=True).content.decode()
    seen = viewer.get(page).content.decode()
    assert "The organization does not allow deploy keys." in seen
    assert again not in seen
    assert viewer.post(again).status_code == 403
    github.organization = {"login": "acme", "deploy_keys_enabled_for_repositories": True}
    answer = operator.post(again, follow=True).content.decode()
    assert "Nothing stands in the way" in answer
    assert "Before you provision" not in answer


def test_a_provider_that_does_not_answer_is_told_softly(
    operator: Client, integration: Integration, github: FakeGitHub
) -> None:
    github.limit_rate(60)
    page = operator.post(reverse("integration-obstacles", args=[integration.pk]), follow=True).content.decode()
    assert "Could not check the token's permissions: GitHub asks for fewer calls" in page


def test_the_api_tells_them_and_asks_again(
    api: APIClient, viewer_api: APIClient, integration: Integration, github: FakeGitHub
) -> None:
    github.forbid_administration()
    url = f"/api/v1/integrations/{integration.pk}/"
    assert viewer_api.post(f"{url}check-obstacles/").status_code == 403
    answer = api.post(f"{url}check-obstacles/")
    assert answer.status_code == 200
    told = viewer_api.get(url).json()
    assert [each["purpose"] for each in told["obstacles"]] == ["webhook", "deploy_key"]
    assert told["obstacles"][0]["page_url"] == "https://github.com/acme/shop/settings/hooks/new"
    assert all(each["remedy"] and each["by_hand"] for each in told["obstacles"])
    assert (told["obstacles_problem"], answer.json()["obstacles"]) == ("", told["obstacles"])
    assert told["obstacles_checked_at"]

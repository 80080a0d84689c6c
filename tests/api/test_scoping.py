"""Nobody finds, reads or changes another team's objects, whatever the noun."""

import pytest

from teams.models import Team
from tests.factories import (
    make_account,
    make_artifact,
    make_delivery,
    make_deployment,
    make_integration,
    make_operation,
    make_provider,
    make_repository,
    make_stack,
)


def make_deployed():
    return make_deployment(artifact=make_artifact())


NOUNS = {
    "providers": make_provider,
    "repositories": make_repository,
    "aws-accounts": make_account,
    "integrations": make_integration,
    "stacks": make_stack,
    "operations": make_operation,
    "deliveries": make_delivery,
    "artifacts": make_artifact,
    "deployments": make_deployed,
}
ACTIONS = [
    ("post", "providers", "check/"),
    ("get", "providers", "repositories/"),
    ("get", "providers", "host-keys/"),
    ("post", "providers", "host-keys/scan/"),
    ("post", "providers", "host-keys/confirm/"),
    ("patch", "providers", ""),
    ("delete", "providers", ""),
    ("delete", "repositories", ""),
    ("post", "aws-accounts", "check/"),
    ("get", "aws-accounts", "trust-policy/"),
    ("get", "aws-accounts", "access-template/"),
    ("patch", "aws-accounts", ""),
    ("delete", "aws-accounts", ""),
    ("post", "integrations", "provision/"),
    ("get", "integrations", "deliveries/"),
    ("post", "integrations", "catch-up/"),
    ("post", "integrations", "check-obstacles/"),
    ("get", "integrations", "dead-letters/"),
    ("post", "integrations", "redrive/"),
    ("get", "integrations", "artifacts/"),
    ("get", "integrations", "manual-steps/"),
    ("patch", "integrations", ""),
    ("delete", "integrations", ""),
    ("get", "stacks", "events/"),
    ("post", "operations", "retry/"),
    ("post", "operations", "cancel/"),
    ("post", "deliveries", "redeliver/"),
    ("post", "deliveries", "ask-provider/"),
    ("get", "artifacts", "download/"),
    ("post", "artifacts", "redeploy/"),
    ("get", "integrations", "deployments/"),
    ("post", "integrations", "roll-back/"),
    ("get", "deployments", "steps/"),
    ("post", "deployments", "stop/"),
]


@pytest.mark.parametrize("noun", NOUNS)
def test_list_and_detail_show_the_team_its_own(api, team: Team, noun):
    row = NOUNS[noun]()
    assert [found["id"] for found in api.get(f"/api/v1/{noun}/").json()["results"]] == [str(row.pk)]
    assert api.get(f"/api/v1/{noun}/{row.pk}/").json()["id"] == str(row.pk)


@pytest.mark.parametrize("noun", NOUNS)
def test_stranger_sees_an_empty_list_and_a_404(stranger_api, team: Team, noun):
    row = NOUNS[noun]()
    assert stranger_api.get(f"/api/v1/{noun}/").json()["results"] == []
    assert stranger_api.get(f"/api/v1/{noun}/{row.pk}/").status_code == 404


@pytest.mark.parametrize(("method", "noun", "path"), ACTIONS)
def test_stranger_finds_nothing_to_act_on(stranger_api, team: Team, method, noun, path):
    row = NOUNS[noun]()
    assert getattr(stranger_api, method)(f"/api/v1/{noun}/{row.pk}/{path}").status_code == 404


def test_another_teams_repository_cannot_be_integrated(stranger_api, team: Team, stranger):
    account = make_account(team=stranger.teams.get())
    body = {
        "name": "shop",
        "repository": str(make_repository(team=team).pk),
        "aws_account": str(account.pk),
        "region": "us-east-1",
        "application": "shop",
        "environment": "production",
    }
    response = stranger_api.post("/api/v1/integrations/", body)
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == ["#/repository"]


def test_token_sees_only_its_own_team_even_if_its_user_is_in_several(admin, team: Team):
    from teams.models import Membership, Role
    from tests.api.conftest import client_of

    other = Team.objects.create(name="Initech", slug="initech")
    Membership.objects.create(team=other, user=admin, role=Role.ADMIN)
    make_provider(team=team)
    assert client_of(admin, other).get("/api/v1/providers/").json()["results"] == []

"""Pages cost a fixed number of queries, however many rows there are."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from teams.models import Team
from tests.web.scene import make_scene

# Session, user, memberships and the counts of the sidebar.
FRAME = 4
LIST_QUERIES = {
    "overview": FRAME + 9,
    "provider-list": FRAME + 2,
    "repository-list": FRAME + 2,
    "account-list": FRAME + 2,
    "integration-list": FRAME + 3,
    "delivery-list": FRAME + 3,
    "deployment-list": FRAME + 2,
    "stack-list": FRAME + 2,
    "operation-list": FRAME + 1,
    "token-list": FRAME + 2,
    "member-list": FRAME + 2,
    "ssh-key-list": FRAME + 3,
    "audit-list": FRAME + 2,
}
DETAIL_QUERIES = {
    "provider-detail": FRAME + 3,
    "repository-detail": FRAME + 3,
    "account-detail": FRAME + 3,
    "integration-detail": FRAME + 10,
    "integration-deliveries": FRAME + 3,
    "integration-deployments": FRAME + 5,
    "deployment-detail": FRAME + 6,
    "integration-artifacts": FRAME + 4,
    "stack-detail": FRAME + 3,
    "operation-detail": FRAME + 3,
    "delivery-detail": FRAME + 1,
}


@pytest.mark.parametrize("name", LIST_QUERIES)
def test_lists(name: str, signed_in: Client, team: Team, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(3):
        make_scene(team, name=f"shop-{number}")
    with django_assert_num_queries(LIST_QUERIES[name]):
        assert signed_in.get(reverse(name)).status_code == 200


@pytest.mark.parametrize("name", DETAIL_QUERIES)
def test_details(name: str, signed_in: Client, team: Team, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    make_scene(team, name="other")
    url = make_scene(team).about()[name]
    with django_assert_num_queries(DETAIL_QUERIES[name]):
        assert signed_in.get(url).status_code == 200

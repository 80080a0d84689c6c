"""The image of a stack's instances, on its page."""

from typing import Any

import pytest
from botocore.stub import Stubber
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from deployers.aws import session
from deployers.models import Operation, Stack
from deployers.services import accounts
from teams.models import Role, Team
from tests.factories import make_integration, make_stack, make_user
from tests.web.conftest import client_of

pytestmark = pytest.mark.django_db
OLD, NEW = "ami-0aaaaaaaaaaaaaaa1", "ami-0bbbbbbbbbbbbbbb2"
BUTTON = "Update image"


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()
    session.forget()


def a_stack(team: Team, **chosen: str) -> Stack:
    integration = make_integration(
        team=team, deployers=["codedeploy"], deploy_ref="main", parameters={"codedeploy": chosen}
    )
    return make_stack(integration=integration, kind="codedeploy", image_id=OLD)


def page(client: Client, stack: Stack, newest: str | None) -> str:
    """The stack's page while AWS names `newest`; None: it does not answer."""
    ssm: Any = session.client(accounts.access(stack.integration.aws_account, stack.region), "ssm", quick=True)
    with Stubber(ssm) as answers:
        if newest is None:
            answers.add_client_error("get_parameters", "InternalServerError")
        else:
            answers.add_response("get_parameters", {"Parameters": [{"Name": "newest", "Value": newest}]})
        answer = client.get(reverse("stack-detail", args=[stack.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_newer_image_is_told_and_brought_by_a_button(signed_in: Client, team: Team) -> None:
    stack = a_stack(team)
    shown = page(signed_in, stack, NEW)
    url = reverse("stack-update-image", args=[stack.pk])
    assert OLD in shown
    assert NEW in shown
    assert url in shown
    assert url not in page(client_of(make_user(team=team, role=Role.VIEWER)), stack, NEW)

    answer = signed_in.post(url)

    operation = Operation.objects.get()
    assert answer.headers["Location"] == reverse("operation-detail", args=[operation.pk])
    assert operation.options == {"review": True, "newest_image": True}
    assert "One operation at a time" in signed_in.post(url, follow=True).content.decode()
    assert signed_in.get(url).status_code == 405


@pytest.mark.parametrize("newest", [OLD, None])
def test_nothing_is_offered_without_a_newer_image(signed_in: Client, team: Team, newest: str | None) -> None:
    shown = page(signed_in, a_stack(team), newest)
    assert OLD in shown
    assert BUTTON not in shown
    assert "newer" not in shown


def test_of_an_image_that_a_person_chose_a_newer_one_is_told_only(signed_in: Client, team: Team) -> None:
    shown = page(signed_in, a_stack(team, PinnedImageId=OLD), NEW)
    assert "A newer one is there." in shown
    assert BUTTON not in shown


def test_a_stack_without_instances_says_nothing_of_images(signed_in: Client, team: Team) -> None:
    stack = make_stack(integration=make_integration(team=team))
    assert "Instances run" not in signed_in.get(reverse("stack-detail", args=[stack.pk])).content.decode()

"""What stacks cost a month at rest, on the pages: the figures of docs/cost.md, and what is chosen changes them."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from deployers.states import OperationStatus, Step
from teams.models import Team
from tests import factories

pytestmark = pytest.mark.django_db
NETWORK = {"VPC": "vpc-1", "Subnets": "subnet-1,subnet-2"}


def words(page: str) -> str:
    """The text of a page, with single spaces."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_stack_s_page_and_its_review_have_the_same_figures(signed_in: Client, team: Team) -> None:
    integration = factories.make_integration(
        team=team, deployers=["codedeploy"], parameters={"codedeploy": {**NETWORK, "InstanceType": "t3.small"}}
    )
    stack = factories.make_stack(integration=integration, kind="codedeploy")
    operation = factories.make_operation(
        stack=stack,
        kind="create",
        status=OperationStatus.WAITING,
        step=Step.REVIEW,
        options={"review": True, "changes": []},
    )
    for page in (reverse("stack-detail", args=[stack.pk]), reverse("operation-detail", args=[operation.pk])):
        shown = words(signed_in.get(page).content.decode())
        # 16.43 + 30.37 + 3.20 + 14.60, and an alarm.
        assert "About $64.70 a month at rest" in shown
        assert "1 &times; Application Load Balancer 16.43" in shown
        assert "2 &times; Instance t3.small 30.37" in shown
        assert "2 &times; Disk of 20 GB 3.20" in shown
        assert "4 &times; Public IPv4 address 14.60" in shown
        assert "on-demand prices of us-east-1 on 2026-11-28" in shown


def test_an_integration_s_page_adds_up_what_it_has_and_will_have(signed_in: Client, team: Team) -> None:
    integration = factories.make_integration(team=team, deployers=["ecs"], parameters={"ecs": NETWORK})
    url = reverse("integration-detail", args=[integration.pk])
    shown = words(signed_in.get(url).content.decode())
    assert "Git to S3 $2.40 ECS pipeline $96.57 Together $98.97" in shown

    git = factories.make_stack(integration=integration)
    integration.deployers = []
    integration.parameters = {"git_intgrtn_aws_s3": {"KmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/1"}}
    integration.save()
    page = signed_in.get(url).content.decode()
    assert "Git to S3 $1.40" in words(page)
    assert "Together" not in page
    assert reverse("stack-detail", args=[git.pk]) in page


def test_a_stack_that_is_not_used_any_more_still_costs(signed_in: Client, team: Team) -> None:
    integration = factories.make_integration(team=team)
    factories.make_stack(integration=integration)
    factories.make_stack(integration=integration, kind="codedeploy")
    shown = words(signed_in.get(reverse("integration-detail", args=[integration.pk])).content.decode())
    assert "Git to S3 $2.40 CodeDeploy $49.51 Together $51.91" in shown


def test_a_type_of_instance_without_a_price_is_told(signed_in: Client, team: Team) -> None:
    chosen = {"codedeploy": {**NETWORK, "InstanceType": "u-24tb1.metal"}}
    integration = factories.make_integration(team=team, deployers=["codedeploy"], parameters=chosen)
    stack = factories.make_stack(integration=integration, kind="codedeploy")
    shown = words(signed_in.get(reverse("stack-detail", args=[stack.pk])).content.decode())
    assert "and more a month at rest" in shown
    assert "2 &times; Instance u-24tb1.metal not in our table" in shown
    of_all = words(signed_in.get(reverse("integration-detail", args=[integration.pk])).content.decode())
    assert re.search(r"Together \$[\d.]+ and more", of_all)

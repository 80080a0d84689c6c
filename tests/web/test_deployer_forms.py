"""The form of an integration with a deployer, which reads the account's lists."""

import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from django.test import Client
from django.urls import reverse
from moto import mock_aws

from deployers.aws import session
from deployers.models import AwsAccount, Operation
from deployers.services import accounts
from integrations.models import Integration
from teams.models import Team
from tests import factories
from tests.networks import lead_out
from tests.web.test_forms import HTMX, INTEGRATION


def network(region: str = "eu-west-1") -> dict[str, Any]:
    """The default VPC of moto's account, with subnets in two zones, as the form names them."""
    ec2 = boto3.client("ec2", region_name=region)
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    return {"codedeploy-VPC": vpc, "codedeploy-Subnets": [each["SubnetId"] for each in subnets[:2]]}


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        session.forget()
        for region in ("eu-west-1", "eu-central-1"):
            lead_out(boto3.client("ec2", region_name=region))
        yield
    session.forget()


@pytest.fixture
def deploying(aws: None, team: Team) -> dict[str, Any]:
    """A form that is filled in for CodeDeploy."""
    return {
        **INTEGRATION,
        "repository": factories.make_repository(team=team).pk,
        "aws_account": factories.make_account(team=team).pk,
        "deployers": "codedeploy",
        "deploy_ref": "main",
        "codedeploy-HealthCheckPort": "8080",
        "codedeploy-InstanceType": "t3.small",
        **network(),
    }


def test_codedeploy_is_chosen_with_its_fields_and_reviewed(signed_in: Client, deploying: dict[str, Any]) -> None:
    fields = {**deploying, "parameters": '{"codedeploy": {"CpuTarget": "50"}}', "provision": "1"}
    answer = signed_in.post(reverse("integration-add"), fields)
    integration = Integration.objects.get()
    assert answer["Location"] == reverse("integration-detail", args=[integration.pk])
    assert (integration.deployers, integration.deploy_ref) == (["codedeploy"], "main")
    assert integration.parameters["codedeploy"] == {
        "VPC": deploying["codedeploy-VPC"],
        "Subnets": ",".join(deploying["codedeploy-Subnets"]),
        "HealthCheckPort": "8080",
        "InstanceType": "t3.small",
        "CpuTarget": "50",
    }
    assert Operation.objects.get().options["review"] is True


def test_what_does_not_fit_the_account_stands_at_its_field(signed_in: Client, deploying: dict[str, Any]) -> None:
    fields = {
        **deploying,
        "codedeploy-Subnets": deploying["codedeploy-Subnets"][:1],
        "codedeploy-KeyName": "mine",
        "codedeploy-HealthCheckPort": "",
        "parameters": '{"codedeploy": {"RepoBucket": "theirs"}}',
    }
    page = signed_in.post(reverse("integration-add"), fields).content.decode()
    for name in ("codedeploy-Subnets", "codedeploy-KeyName", "codedeploy-HealthCheckPort", "parameters"):
        assert f'id="id_{name}_error"' in page
    assert "needs two zones" in page
    assert not Integration.objects.exists()


def test_without_a_deployer_its_fields_do_not_matter(signed_in: Client, deploying: dict[str, Any]) -> None:
    fields = {**deploying, "deployers": [], "codedeploy-Subnets": "nonsense"}
    assert signed_in.post(reverse("integration-add"), fields).status_code == 302
    assert Integration.objects.get().parameters == {}


def test_lists_of_the_account_are_read_without_saving(signed_in: Client, deploying: dict[str, Any]) -> None:
    boto3.client("ec2", region_name="eu-west-1").create_key_pair(KeyName="office")
    fields = {**deploying, "name": "9 lives", "look": "1"}
    page = signed_in.post(reverse("integration-add"), fields).content.decode()
    assert '<option value="office"></option>' in page
    ticked = re.findall(r'name="codedeploy-Subnets" value="([^"]+)" id="\w+[^"]*" checked', page)
    assert sorted(ticked) == sorted(deploying["codedeploy-Subnets"])
    assert "field-error" not in page
    assert 'value="9 lives"' in page
    part = signed_in.post(reverse("integration-add"), fields, headers=HTMX).content.decode()
    assert "office" in part
    assert "<html" not in part
    assert not Integration.objects.exists()


def test_lists_that_cannot_be_read_are_told_and_values_can_be_typed(
    signed_in: Client, deploying: dict[str, Any]
) -> None:
    account = AwsAccount.objects.get()
    client = session.client(accounts.access(account, "eu-west-1"), "ec2", quick=True)
    with Stubber(client) as answers:
        answers.add_client_error("describe_key_pairs", "UnauthorizedOperation", "not authorized")
        page = signed_in.post(reverse("integration-add"), {**deploying, "look": "1"}).content.decode()
    assert "The list cannot be read" in page
    assert f'value="{deploying["codedeploy-VPC"]}"' in page


def test_settings_show_the_deployers_parameters_in_their_fields(signed_in: Client, deploying: dict[str, Any]) -> None:
    signed_in.post(reverse("integration-add"), {**deploying, "parameters": '{"codedeploy": {"CpuTarget": "50"}}'})
    url = reverse("integration-edit", args=[Integration.objects.get().pk])
    page = signed_in.get(url).content.decode()
    assert re.search(r'name="codedeploy-HealthCheckPort" value="8080"', page)
    assert "{&quot;codedeploy&quot;: {&quot;CpuTarget&quot;: &quot;50&quot;}}" in page
    fields = {**deploying, "refs": "main", "codedeploy-HealthCheckPort": "9090", "codedeploy-InstanceType": ""}
    assert signed_in.post(url, fields).status_code == 302
    kept = Integration.objects.get().parameters["codedeploy"]
    assert (kept["HealthCheckPort"], set(kept)) == ("9090", {"VPC", "Subnets", "HealthCheckPort"})


def test_who_may_not_change_an_integration_reads_nothing_of_the_account(
    signed_in: Client, viewer: Client, deploying: dict[str, Any]
) -> None:
    signed_in.post(reverse("integration-add"), deploying)
    url = reverse("integration-edit", args=[Integration.objects.get().pk])
    offered = re.compile(r'type="checkbox" name="codedeploy-Subnets"')
    assert offered.search(signed_in.get(url).content.decode())
    assert not offered.search(viewer.get(url).content.decode())
    assert viewer.post(url, {**deploying, "look": "1"}).status_code == 403


def test_an_ecs_pipeline_is_chosen_with_its_fields(signed_in: Client, deploying: dict[str, Any]) -> None:
    ecs = {name.replace("codedeploy-", "ecs-"): value for name, value in network().items()}
    fields = {**deploying, "deployers": "ecs", **ecs, "ecs-LaunchType": "FARGATE", "ecs-ContainerPort": "3000"}
    assert signed_in.post(reverse("integration-add"), fields).status_code == 302
    chosen = Integration.objects.get().parameters
    assert set(chosen) == {"ecs"}
    assert (chosen["ecs"]["LaunchType"], chosen["ecs"]["ContainerPort"]) == ("FARGATE", "3000")

    page = signed_in.post(reverse("integration-add"), {**fields, "name": "two", "ecs-ContainerPort": "no"})
    assert 'id="id_ecs-ContainerPort_error"' in page.content.decode()

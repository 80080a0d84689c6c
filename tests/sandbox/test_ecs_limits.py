"""Task definitions and capacity providers that ECS refuses."""

import pytest
from botocore.exceptions import ClientError

from sandbox.aws import Aws
from sandbox.ecs_limits import bad_provider_name, no_configuration
from tests.sandbox.conftest import made

CONTAINERS = [{"name": "app", "image": "public.ecr.aws/nginx/nginx:stable"}]


@pytest.mark.parametrize(
    ("cpu", "memory"),
    [("256", "512"), (256, 2048), ("512", "4096"), ("1 vCPU", "3 GB"), ("4096", "30720"), ("16384", "122880")],
)
def test_pairs_that_fargate_takes(cpu: str, memory: str) -> None:
    assert no_configuration(["FARGATE"], cpu, memory) == ""


@pytest.mark.parametrize(
    ("cpu", "memory"),
    [("256", "4096"), ("512", "512"), ("300", "512"), ("1024", "2500"), ("8192", "18432"), ("a", "b")],
)
def test_pairs_that_fargate_refuses(cpu: str, memory: str) -> None:
    assert no_configuration(["EC2"], cpu, memory) == ""
    assert no_configuration(["EC2", "FARGATE"], cpu, memory).startswith(
        f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory."
    )


@pytest.mark.parametrize("name", ["aws-shop", "ECS-shop", "fargate", "ecs", "shop.one", "", "a" * 256])
def test_names_that_no_capacity_provider_has(name: str) -> None:
    assert "cannot be prefixed with" in bad_provider_name(name)
    assert bad_provider_name(f"sluice-{name[:9]}".replace(".", "-")) == ""


@pytest.mark.sandbox
def test_they_are_refused_by_call_and_in_stacks(local_aws: Aws) -> None:
    ecs = local_aws.client("ecs")
    task = {"family": "shop", "containerDefinitions": CONTAINERS, "requiresCompatibilities": ["FARGATE"]}
    with pytest.raises(ClientError, match="No Fargate configuration exists for given values: 256 CPU, 4096 memory"):
        ecs.register_task_definition(**task, cpu="256", memory="4096")
    with pytest.raises(ClientError, match="'memory' be defined at the task level"):
        ecs.register_task_definition(**task, cpu="256")
    assert ecs.register_task_definition(**task, cpu="256", memory="512")["taskDefinition"]["revision"] == 1
    group = "arn:aws:autoscaling:us-east-1:111122223333:autoScalingGroup:1:autoScalingGroupName/shop"
    with pytest.raises(ClientError, match="capacity provider name is invalid"):
        ecs.create_capacity_provider(name="ecs-shop", autoScalingGroupProvider={"autoScalingGroupArn": group})

    properties = {
        "ContainerDefinitions": [{"Name": "app", "Image": CONTAINERS[0]["image"]}],
        "RequiresCompatibilities": ["FARGATE"],
        "Cpu": "512",
        "Memory": "512",
    }
    status, why = made(
        local_aws,
        "fargate-pair",
        {"Resources": {"Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": properties}}},
    )
    assert (status, "No Fargate configuration" in why) == ("ROLLBACK_COMPLETE", True)
    provider = {"AutoScalingGroupProvider": {"AutoScalingGroupArn": group}}
    template = {"Resources": {"Provider": {"Type": "AWS::ECS::CapacityProvider", "Properties": provider}}}
    # The name that CloudFormation makes begins with the stack's.
    status, why = made(local_aws, "ecs-shop", template)
    assert (status, "capacity provider name is invalid" in why) == ("ROLLBACK_COMPLETE", True)
    assert made(local_aws, "shop-provider", template) == ("CREATE_COMPLETE", "")

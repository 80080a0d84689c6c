"""From a push to instances: an integration with CodeDeploy, on the sandbox."""

from typing import Any

import pytest

from tests.e2e.world import Clone, World, until

pytestmark = pytest.mark.sandbox

APPSPEC = """version: 0.0
os: linux
files:
  - source: /
    destination: /srv/shop
hooks:
  ApplicationStart:
    - location: start.sh
      timeout: 20
"""


def network(world: World) -> dict[str, str]:
    ec2 = world.aws("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"][:2]
    return {"VPC": vpc, "Subnets": ",".join(each["SubnetId"] for each in subnets), "HealthCheckPort": "8080"}


@pytest.fixture
def deploying(world: World, repository: str) -> dict[str, Any]:
    parameters = {"codedeploy": network(world)}
    return world.provisioned(repository, deployers=["codedeploy"], parameters=parameters)


def test_both_stacks_are_made_and_deleted_in_one_go(world: World, deploying: dict[str, Any], clone: Clone) -> None:
    stacks = {each["kind"]: each for each in world.get(f"/stacks/?integration={deploying['id']}")["results"]}
    assert {kind: each["aws_status"] for kind, each in stacks.items()} == {
        "git_intgrtn_aws_s3": "CREATE_COMPLETE",
        "codedeploy": "CREATE_COMPLETE",
    }
    commit = clone.commit("Deploy this", **{"appspec.yml": APPSPEC, "start.sh": "#!/bin/sh\necho started\n"})
    clone.push()
    world.ended(deploying, commit=commit)
    told = until(
        lambda: [each for each in world.deliveries(deploying) if each["commit"] == commit and each["deploy_status"]],
        "the deployer's word on the delivery",
    )
    assert told[0]["deploy_status"] == "deploying", told[0]

    operation = world.call("DELETE", f"/integrations/{deploying['id']}/?bucket=purge").json()
    ended = world.finished(operation)
    assert ended["status"] == "succeeded", ended
    application = stacks["codedeploy"]["outputs"]["CodeDeployApplication"]
    assert application not in world.aws("codedeploy").list_applications()["applications"]
    left = [each["StackName"] for each in world.aws("cloudformation").describe_stacks()["Stacks"]]
    assert not [name for name in left if deploying["name"] in name]


def test_changes_wait_until_they_are_approved(world: World, repository: str) -> None:
    integration = world.add_integration(repository, deployers=["codedeploy"], parameters={"codedeploy": network(world)})
    operation = world.post(f"/integrations/{integration['id']}/provision/?review=true")

    def waiting() -> dict[str, Any] | None:
        now: dict[str, Any] = world.get(f"/operations/{operation['id']}/")
        return now if now["status"] == "waiting" else None

    asked = until(waiting, "the review")
    assert asked is not None
    assert {"Add"} == {each["action"] for each in asked["changes"]}
    assert "AWS::S3::Bucket" in {each["resource_type"] for each in asked["changes"]}
    world.post(f"/operations/{operation['id']}/approve/")
    second = until(lambda: (found := waiting()) and found["stack"] != asked["stack"] and found, "the second review")
    assert second
    world.post(f"/operations/{operation['id']}/cancel/")
    assert world.finished(operation)["status"] == "cancelled"
    left = [each["StackName"] for each in world.aws("cloudformation").describe_stacks()["Stacks"]]
    assert [name for name in left if integration["name"] in name] == [f"sluice-{integration['name']}-git"]

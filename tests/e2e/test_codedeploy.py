"""From a push to instances: an integration with CodeDeploy, on the sandbox."""

import json
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


def deployment(world: World, integration: dict[str, Any], commit: str, *, trigger: str = "push") -> dict[str, Any]:
    """The newest deployment of a commit once it has ended."""

    def look() -> dict[str, Any] | None:
        for each in world.get(f"/integrations/{integration['id']}/deployments/")["results"]:
            if (each["commit"], each["trigger"]) == (commit, trigger):
                return each if each["status"] not in {"queued", "deploying"} else None
        return None

    found = until(look, f"the {trigger} deployment of {commit}")
    assert found is not None
    return found


@pytest.fixture
def deploying(world: World, repository: str) -> dict[str, Any]:
    parameters = {"codedeploy": network(world)}
    return world.provisioned(repository, deployers=["codedeploy"], parameters=parameters)


def test_pushes_are_deployed_rolled_back_and_redeployed_until_all_is_deleted(
    world: World, deploying: dict[str, Any], clone: Clone
) -> None:
    stacks = {each["kind"]: each for each in world.get(f"/stacks/?integration={deploying['id']}")["results"]}
    assert {kind: each["aws_status"] for kind, each in stacks.items()} == {
        "git_intgrtn_aws_s3": "CREATE_COMPLETE",
        "codedeploy": "CREATE_COMPLETE",
    }
    commit = clone.commit("Deploy this", **{"appspec.yml": APPSPEC, "start.sh": "#!/bin/sh\necho started\n"})
    clone.push()
    world.ended(deploying, commit=commit)
    deployed = deployment(world, deploying, commit)
    assert (deployed["status"], deployed["trigger"]) == ("deployed", "push"), deployed
    assert deployed["instances"] == {"Succeeded": 2}
    assert deployed["lead_time"] is not None

    def told() -> bool:
        [delivery] = world.deliveries(deploying, f"?commit={commit}")
        return bool(delivery["deploy_status"] == "deploying")

    until(told, "the delivery to tell of its deployment")  # read with the next look at the table
    [artifact] = [each for each in world.artifacts(deploying) if each["commit"] == commit]

    broken = clone.commit("Break it", **{"start.sh": "#!/bin/sh\necho the port is taken >&2\nexit 3\n"})
    clone.push()
    failed = deployment(world, deploying, broken)
    assert failed["status"] == "rolled_back"
    assert "start.sh failed at ApplicationStart" in failed["problem"]
    steps = world.get(f"/deployments/{failed['id']}/steps/")["results"]
    assert any("the port is taken" in each["log_tail"] for each in steps)
    rollback = deployment(world, deploying, commit, trigger="rollback")
    assert (rollback["status"], rollback["rolls_back"]) == ("deployed", failed["id"])

    again = world.post(f"/artifacts/{artifact['id']}/redeploy/")
    assert deployment(world, deploying, commit, trigger="redeploy")["id"] == again["id"]
    csv = world.call("GET", f"/deployments/export/?integration={deploying['id']}").text.splitlines()
    assert len(csv) == 5
    assert csv[0].startswith("deployment,integration,status")

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
    inside = {(each["stack"], each["resource_type"]) for each in second["changes"]}
    assert ("Fleet", "AWS::ElasticLoadBalancingV2::LoadBalancer") in inside
    assert ("CodeDeploy", "AWS::IAM::Role") in inside
    assert "AWS::CloudFormation::Stack" not in {kind for _, kind in inside}
    world.post(f"/operations/{operation['id']}/cancel/")
    assert world.finished(operation)["status"] == "cancelled"
    left = [each["StackName"] for each in world.aws("cloudformation").describe_stacks()["Stacks"]]
    assert [name for name in left if integration["name"] in name] == [f"sluice-{integration['name']}-git"]


def test_the_image_of_instances_changes_only_when_a_person_asks(world: World, repository: str) -> None:
    """A parameter of the account's own stands for AWS's: here it can be made to name a newer image."""
    old, new = "ami-0aaaaaaaaaaaaaaa1", "ami-0bbbbbbbbbbbbbbb2"
    account = world.connect_account("Account with images", "SluiceImages")
    ssm = world.aws("ssm")
    ssm.put_parameter(Name="/acme/image", Value=old, Type="String")
    allowed = {"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": "arn:aws:ssm:*:*:parameter/acme/image"}
    world.aws("iam").put_role_policy(
        RoleName="SluiceImages",
        PolicyName="image",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    chosen = {**network(world), "ImageId": "/acme/image"}
    integration = world.provisioned(
        repository, deployers=["codedeploy"], parameters={"codedeploy": chosen}, aws_account=account["id"]
    )
    [stack] = world.get(f"/stacks/?integration={integration['id']}&kind=codedeploy")["results"]
    assert (stack["image_id"], used(world, stack)) == (old, old)

    ssm.put_parameter(Name="/acme/image", Value=new, Type="String", Overwrite=True)
    provision = f"/integrations/{integration['id']}/provision/?review=false"
    changed = {"parameters": {"codedeploy": {**chosen, "CpuTarget": "50"}}}
    assert world.call("PATCH", f"/integrations/{integration['id']}/", changed).status_code == 200
    updated = world.finished(world.post(provision))
    assert updated["status"] == "succeeded", updated
    assert used(world, stack) == old

    operation = world.post(f"/stacks/{stack['id']}/update-image/")

    def waiting() -> bool:
        return bool(world.get(f"/operations/{operation['id']}/")["status"] == "waiting")

    until(waiting, "the review")
    changes = world.get(f"/operations/{operation['id']}/")["changes"]
    assert "AWS::EC2::LaunchTemplate" in {each["resource_type"] for each in changes}
    assert used(world, stack) == old
    world.post(f"/operations/{operation['id']}/approve/")
    assert world.finished(operation)["status"] == "succeeded"
    assert used(world, stack) == new
    assert world.get(f"/stacks/{stack['id']}/")["image_id"] == new
    assert world.finished(world.post(provision))["status"] == "succeeded"
    assert used(world, stack) == new


def used(world: World, stack: dict[str, Any]) -> str:
    """The image in the launch template of the stack's group, in the version that the group uses."""
    groups = world.aws("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[world.get(f"/stacks/{stack['id']}/")["outputs"]["AutoScalingGroup"]]
    )["AutoScalingGroups"]
    launch = groups[0]["LaunchTemplate"]
    [version] = world.aws("ec2").describe_launch_template_versions(
        LaunchTemplateId=launch["LaunchTemplateId"], Versions=[launch["Version"]]
    )["LaunchTemplateVersions"]
    image: str = version["LaunchTemplateData"]["ImageId"]
    return image

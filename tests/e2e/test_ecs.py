"""From a push to a service: an integration with an ECS pipeline, on the sandbox."""

import json
from typing import Any

import pytest

from tests.e2e.test_codedeploy import deployment, network
from tests.e2e.world import Clone, World, until

pytestmark = pytest.mark.sandbox


def provisioned(world: World, repository: str, **parameters: str) -> tuple[dict[str, Any], dict[str, str]]:
    """An integration with a pipeline, and the outputs of its ECS stack."""
    chosen = {name: value for name, value in network(world).items() if name != "HealthCheckPort"}
    integration = world.provisioned(repository, deployers=["ecs"], parameters={"ecs": {**chosen, **parameters}})
    stacks = world.get(f"/stacks/?integration={integration['id']}")["results"]
    [stack] = [each for each in stacks if each["kind"] == "ecs"]
    assert stack["aws_status"] == "CREATE_COMPLETE"
    return integration, stack["outputs"]


def running_tag(world: World, outputs: dict[str, str]) -> str:
    """The tag of the image that the service runs."""
    [service] = world.aws("cloudformation").describe_stacks(StackName=outputs["ServiceStackName"])["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in service["Outputs"]}["ImageTag"]


def test_pushes_are_built_approved_deployed_redeployed_until_all_is_deleted(
    world: World, repository: str, clone: Clone
) -> None:
    integration, outputs = provisioned(world, repository, SNSTopicEmailAddress="ops@example.com")
    first = clone.commit("Build this", Dockerfile="FROM scratch\nCOPY README.md /\n")
    clone.push()

    def waiting() -> dict[str, Any] | None:
        found = world.get(f"/integrations/{integration['id']}/deployments/?status=waiting")["results"]
        return found[0] if found and found[0]["commit"] else None

    asked = until(waiting, "the approval")
    assert asked is not None
    assert (asked["trigger"], asked["commit"]) == ("push", first)
    world.post(f"/deployments/{asked['id']}/approve/", {"comment": "Looks good"})
    deployed = deployment(world, integration, first)
    assert deployed["status"] == "deployed", deployed
    assert running_tag(world, outputs) == first

    sqs = world.aws("sqs")
    inbox = sqs.create_queue(QueueName=f"inbox-{integration['name']}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=inbox, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    sqs.set_queue_attributes(QueueUrl=inbox, Attributes={"Policy": policy})
    world.aws("sns").subscribe(TopicArn=outputs["TopicArn"], Protocol="sqs", Endpoint=arn)
    broken = clone.commit("Break the build", Dockerfile="THIS IS NO DOCKERFILE\n")
    clone.push()
    failed = deployment(world, integration, broken)
    assert failed["status"] == "failed"
    assert failed["problem"].startswith("Build failed")
    steps = world.get(f"/deployments/{failed['id']}/steps/")["results"]
    assert [each["group"] for each in steps] == ["Source", "Manifest", "Build"]
    [build] = [each for each in steps if each["status"] == "failed"]
    assert "dockerfile parse error" in build["log_tail"]
    told = until(lambda: sqs.receive_message(QueueUrl=inbox, MaxNumberOfMessages=10).get("Messages"), "the notice")
    assert any("FAILED" in each["Body"] for each in told)
    assert world.call("POST", f"/deployments/{failed['id']}/approve/", {}).status_code == 409
    assert running_tag(world, outputs) == first

    again = world.post(f"/artifacts/{deployed['artifact']}/redeploy/")
    asked = until(waiting, "the approval of the redeployment")
    assert asked["id"] == again["id"]
    world.post(f"/deployments/{again['id']}/reject/", {"comment": "Not now"})
    rejected = deployment(world, integration, first, trigger="redeploy")
    assert rejected["status"] == "failed"
    assert "rejected" in rejected["problem"]

    clone.commit("Stopped at its approval", Dockerfile="FROM scratch\nCOPY README.md /\n")
    clone.push()
    asked = until(waiting, "the approval that is stopped")
    world.post(f"/deployments/{asked['id']}/stop/")
    assert deployment(world, integration, asked["commit"])["status"] == "cancelled"

    clone.commit("Deleted at its approval")
    clone.push()
    until(waiting, "the approval that is deleted")
    ended = world.finished(world.call("DELETE", f"/integrations/{integration['id']}/?bucket=purge").json())
    assert ended["status"] == "succeeded", ended
    left = [each["StackName"] for each in world.aws("cloudformation").describe_stacks()["Stacks"]]
    assert not [name for name in left if integration["name"] in name]
    assert outputs["Pipeline"] not in {each["name"] for each in world.aws("codepipeline").list_pipelines()["pipelines"]}


def test_a_push_is_deployed_on_fargate(world: World, repository: str, clone: Clone) -> None:
    integration, outputs = provisioned(world, repository, LaunchType="FARGATE")
    commit = clone.commit("Build this", Dockerfile="FROM scratch\nCOPY README.md /\n")
    clone.push()
    assert deployment(world, integration, commit)["status"] == "deployed"
    assert running_tag(world, outputs) == commit


def test_a_failed_build_is_retried_once_its_cause_is_gone(world: World, repository: str, clone: Clone) -> None:
    integration, outputs = provisioned(world, repository)
    ecr = world.aws("ecr")
    ecr.delete_repository(repositoryName=outputs["ECR"], force=True)
    commit = clone.commit("Build this", Dockerfile="FROM scratch\nCOPY README.md /\n")
    clone.push()
    failed = deployment(world, integration, commit)
    assert (failed["status"], failed["problem"].split(":")[0]) == ("failed", "Build failed")

    ecr.create_repository(repositoryName=outputs["ECR"])
    world.post(f"/deployments/{failed['id']}/retry/")

    def look() -> bool:
        return bool(world.get(f"/deployments/{failed['id']}/")["status"] == "deployed")

    until(look, "the same run to go on")
    assert running_tag(world, outputs) == commit


def test_all_three_stacks_are_made_updated_and_deleted_in_one_go(world: World, repository: str) -> None:
    chosen = network(world)
    ecs = {name: value for name, value in chosen.items() if name != "HealthCheckPort"}
    integration = world.provisioned(
        repository, deployers=["codedeploy", "ecs"], parameters={"codedeploy": chosen, "ecs": ecs}
    )

    def statuses() -> dict[str, str]:
        found = world.get(f"/stacks/?integration={integration['id']}")["results"]
        return {each["kind"]: each["aws_status"] for each in found}

    kinds = ("git_intgrtn_aws_s3", "codedeploy", "ecs")
    assert statuses() == dict.fromkeys(kinds, "CREATE_COMPLETE")
    changed = {"codedeploy": {**chosen, "CpuTarget": "50"}, "ecs": {**ecs, "TaskMemory": "1024"}}
    world.call("PATCH", f"/integrations/{integration['id']}/", {"parameters": changed})
    updated = world.finished(world.post(f"/integrations/{integration['id']}/provision/"))
    assert updated["status"] == "succeeded", updated["problem"]
    assert statuses() == {kinds[0]: "CREATE_COMPLETE", kinds[1]: "UPDATE_COMPLETE", kinds[2]: "UPDATE_COMPLETE"}

    ended = world.finished(world.call("DELETE", f"/integrations/{integration['id']}/?bucket=purge").json())
    assert ended["status"] == "succeeded", ended
    left = [each["StackName"] for each in world.aws("cloudformation").describe_stacks()["Stacks"]]
    assert not [name for name in left if integration["name"] in name]


UNHEALTHY = "FROM scratch\nLABEL sluice.local=unhealthy\nCOPY README.md /\n"


def test_a_first_deployment_that_fails_is_in_nobody_s_way(world: World, repository: str, clone: Clone) -> None:
    """CloudFormation can only delete a stack that failed while it was made."""
    integration, outputs = provisioned(world, repository, LaunchType="FARGATE", ECSTaskDesiredCount="1")
    cloudformation = world.aws("cloudformation")

    def stack() -> dict[str, Any]:
        [found] = cloudformation.describe_stacks(StackName=outputs["ServiceStackName"])["Stacks"]
        return dict(found)

    ill = clone.commit("Never healthy", Dockerfile=UNHEALTHY)
    clone.push()
    failed = deployment(world, integration, ill)
    assert failed["status"] == "failed"
    assert "Circuit Breaker" in failed["problem"]
    first = stack()
    assert first["StackStatus"] == "ROLLBACK_COMPLETE"

    world.post(f"/deployments/{failed['id']}/retry/")

    def rolled_back() -> list[str]:
        found = cloudformation.list_stacks(StackStatusFilter=["ROLLBACK_COMPLETE"])["StackSummaries"]
        return [each["StackId"] for each in found if each["StackName"] == outputs["ServiceStackName"]]

    until(lambda: set(rolled_back()) - {first["StackId"]}, "another stack that fails")
    assert deployment(world, integration, ill)["status"] == "failed"

    well = clone.commit("Healthy", Dockerfile="FROM scratch\nCOPY README.md /\n")
    clone.push()
    deployed = deployment(world, integration, well)
    assert deployed["status"] == "deployed", deployed["problem"]
    steps = world.get(f"/deployments/{deployed['id']}/steps/")["results"]
    [cleared] = [each["message"] for each in steps if each["name"] == "Clear"]
    assert cleared.startswith(f"Removed the stack {outputs['ServiceStackName']}")
    assert running_tag(world, outputs) == well
    working = stack()

    worse = clone.commit("Never healthy again", Dockerfile=UNHEALTHY)
    clone.push()
    assert deployment(world, integration, worse)["status"] == "failed"
    again = clone.commit("Healthy again", Dockerfile="FROM scratch\nCOPY README.md /\n")
    clone.push()
    assert deployment(world, integration, again)["status"] == "deployed"
    assert stack()["StackId"] == working["StackId"], "a stack that works is never removed"


def test_the_image_of_container_instances_changes_only_when_a_person_asks(world: World, repository: str) -> None:
    old = "ami-0aaaaaaaaaaaaaaa3"
    chosen = {key: value for key, value in network(world).items() if key != "HealthCheckPort"}
    integration = world.provisioned(repository, deployers=["ecs"], parameters={"ecs": {**chosen, "PinnedImageId": old}})
    [stack] = world.get(f"/stacks/?integration={integration['id']}&kind=ecs")["results"]
    assert (stack["image_id"], image_of_instances(world, integration)) == (old, old)

    # Nobody chooses an image any more, and AWS has a newer one.
    changed = {"parameters": {"ecs": {**chosen, "TaskMemory": "1024"}}}
    assert world.call("PATCH", f"/integrations/{integration['id']}/", changed).status_code == 200
    provision = f"/integrations/{integration['id']}/provision/?review=false"
    updated = world.finished(world.post(provision))
    assert updated["status"] == "succeeded", updated
    assert image_of_instances(world, integration) == old

    operation = world.post(f"/stacks/{stack['id']}/update-image/")
    until(lambda: world.get(f"/operations/{operation['id']}/")["status"] == "waiting", "the review")
    changes = world.get(f"/operations/{operation['id']}/")["changes"]
    assert "AWS::EC2::LaunchTemplate" in {each["resource_type"] for each in changes}
    assert image_of_instances(world, integration) == old
    world.post(f"/operations/{operation['id']}/approve/")
    assert world.finished(operation)["status"] == "succeeded"
    name = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"
    [newest] = world.aws("ssm").get_parameters(Names=[name])["Parameters"]
    assert image_of_instances(world, integration) == newest["Value"] != old
    assert world.get(f"/stacks/{stack['id']}/")["image_id"] == newest["Value"]


def image_of_instances(world: World, integration: dict[str, Any]) -> str:
    """The image in the launch template of the cluster's group, in the version that the group uses."""
    groups = world.aws("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    [group] = [each for each in groups if each["AutoScalingGroupName"].startswith(f"sluice-{integration['name']}-ecs")]
    launch = group["LaunchTemplate"]
    [version] = world.aws("ec2").describe_launch_template_versions(
        LaunchTemplateId=launch["LaunchTemplateId"], Versions=[launch["Version"]]
    )["LaunchTemplateVersions"]
    image: str = version["LaunchTemplateData"]["ImageId"]
    return image

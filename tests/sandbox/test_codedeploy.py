"""The local CodeDeploy: revisions come from S3, scripts run, and deployments end as on AWS."""

import json
import os
import signal
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox.aws import ACCOUNT_ID, REGION, Aws
from tests.sandbox.conftest import eventually
from tests.sandbox.shop import APPSPEC, BAD, FLEET, GOOD, STACK, Shop, bundle

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with Aws(tmp_path_factory.mktemp("aws")) as running:
        yield running


def test_a_revision_is_installed_and_started_on_every_instance(aws: Aws) -> None:
    shop = Shop(aws).make(instances=2)
    location = shop.upload(bundle(page="wanted"))
    shop.upload(bundle(page="newer"))

    ended = shop.end(shop.start(location, description="first"))

    assert (ended["status"], ended["creator"], ended["description"]) == ("Succeeded", "user", "first")
    assert ended["deploymentOverview"]["Succeeded"] == 2
    assert ended["revision"]["s3Location"]["version"] == location["version"]
    targets = shop.targets(ended["deploymentId"])
    assert [each["status"] for each in targets] == ["Succeeded", "Succeeded"]
    assert [(shop.disk(each["targetId"]) / "started.html").read_text() for each in targets] == ["wanted", "wanted"]
    assert [each["lifecycleEventName"] for each in targets[0]["lifecycleEvents"]] == [
        "ApplicationStop",
        "DownloadBundle",
        "BeforeInstall",
        "Install",
        "AfterInstall",
        "ApplicationStart",
        "ValidateService",
    ]


def test_a_failing_script_is_told_with_its_last_lines_and_rolled_back(aws: Aws) -> None:
    shop = Shop(aws).make()
    good = shop.deploy(bundle(page="good"))

    bad = shop.deploy(bundle(BAD, page="bad"), fileExistsBehavior="OVERWRITE")

    assert (bad["status"], bad["errorInformation"]["code"]) == ("Failed", "HEALTH_CONSTRAINTS")
    failure = shop.failure(bad["deploymentId"])
    assert (failure["event"], failure["errorCode"]) == ("ApplicationStart", "ScriptFailed")
    assert failure["scriptName"] == "start.sh"
    assert "exit code 3" in failure["message"]
    assert "[stdout]cannot bind port 80" in failure["logTail"]
    rollback = shop.end(bad["rollbackInfo"]["rollbackDeploymentId"])
    assert (rollback["status"], rollback["creator"]) == ("Succeeded", "codeDeployRollback")
    assert rollback["rollbackInfo"]["rollbackTriggeringDeploymentId"] == bad["deploymentId"]
    assert rollback["revision"] == good["revision"]
    (target,) = shop.targets(rollback["deploymentId"])
    assert (shop.disk(target["targetId"]) / "started.html").read_text() == "good"


@pytest.mark.parametrize(
    ("body", "event", "message"),
    [
        (bundle(appspec=""), "BeforeInstall", "did not find an AppSpec file"),
        (bundle(appspec="version: 1\nos: linux\n"), "BeforeInstall", "write version: 0.0"),
        (bundle(appspec=APPSPEC.replace("0.0", "'0.0'")), "BeforeInstall", "a version in quotes"),
        (bundle(appspec=f"{APPSPEC}since: 2026-01-31\n"), "BeforeInstall", "is a date to the agent"),
        (bundle(appspec="\ufeff" + APPSPEC), "BeforeInstall", "begins with a byte order mark"),
        (
            bundle(appspec=APPSPEC.replace("hooks", "  - {source: page.html, destination: /srv/}\nhooks")),
            "Install",
            "two",
        ),
        (bundle(appspec=f"{APPSPEC}permissions: [{{object: /srv}}, {{object: /srv}}]"), "Install", "both cover"),
        (bundle(appspec="version: [\n"), "BeforeInstall", "no YAML that the agent reads"),
        (bundle(appspec=APPSPEC.replace("start.sh", "other.sh")), "ApplicationStart", "does not exist at"),
        (bundle(appspec=APPSPEC.replace("start.sh", "../../../x.sh")), "ApplicationStart", "does not exist at"),
        # The agent expands it to /x; the page is then not where the script looks for it.
        (bundle(appspec=APPSPEC.replace("/srv", "/../../x")), "ApplicationStart", "exit code 1"),
        (b"no zip", "DownloadBundle", "cannot be unpacked"),
    ],
    ids=[
        "no appspec",
        "wrong version",
        "quoted version",
        "date",
        "BOM",
        "two sources",
        "covered twice",
        "no YAML",
        "no script",
        "script outside",
        "file outside",
        "no zip",
    ],
)
def test_what_is_wrong_with_a_revision_is_told(aws: Aws, body: bytes, event: str, message: str) -> None:
    shop = Shop(aws).make()

    ended = shop.deploy(body)

    failure = shop.failure(ended["deploymentId"])
    assert ended["status"] == "Failed"
    assert failure["event"] == event
    assert message in failure["message"]
    assert "no successful deployment" in ended["rollbackInfo"]["rollbackMessage"]


def test_exactly_the_wanted_version_is_deployed_or_none(aws: Aws) -> None:
    shop = Shop(aws).make()
    location = shop.upload(bundle())

    missing = shop.end(shop.start({**location, "version": str(uuid.uuid4())}))
    changed = shop.end(shop.start({**location, "eTag": "0" * 32}))

    assert "NoSuchVersion" in shop.failure(missing["deploymentId"])["message"]
    assert "etag" in shop.failure(changed["deploymentId"])["message"]


def test_a_file_that_no_revision_installed_is_replaced_only_where_asked(aws: Aws) -> None:
    shop = Shop(aws).make()
    first = shop.deploy(bundle(page="one"))
    (target,) = shop.targets(first["deploymentId"])
    assert shop.deploy(bundle(page="two"))["status"] == "Succeeded"
    page = shop.disk(target["targetId"]) / "srv" / "page.html"
    appspec = APPSPEC.replace("/srv", "/other")
    (page.parent.parent / "other").mkdir()
    (page.parent.parent / "other" / "page.html").write_text("somebody's")

    refused = shop.deploy(bundle(appspec=appspec))
    shop.end(refused["rollbackInfo"]["rollbackDeploymentId"])
    script = GOOD.replace("srv/", "other/")
    replaced = shop.deploy(bundle(script, appspec, "three"), fileExistsBehavior="OVERWRITE")

    assert "already exists at this location: /other/page.html" in shop.failure(refused["deploymentId"])["message"]
    assert replaced["status"] == "Succeeded"
    assert (page.parent.parent / "other" / "page.html").read_text() == "three"
    assert not page.exists()


def test_an_instance_that_does_not_answer_fails_as_many_as_the_configuration_allows(aws: Aws) -> None:
    shop = Shop(aws).make(instances=2, config="CodeDeployDefault.HalfAtATime")
    scaling = aws.client("autoscaling")
    (group,) = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[shop.name])["AutoScalingGroups"]
    first = group["Instances"][0]["InstanceId"]
    scaling.set_instance_health(InstanceId=first, HealthStatus="Unhealthy")

    half = shop.deploy(bundle())
    one = shop.deploy(bundle(), deploymentConfigName="CodeDeployDefault.OneAtATime")

    assert half["status"] == "Succeeded"
    assert {each["targetId"]: each["status"] for each in shop.targets(half["deploymentId"])}[first] == "Failed"
    assert "agent was not able" in shop.failure(half["deploymentId"])["message"]
    assert one["status"] == "Failed"
    assert [each["status"] for each in shop.targets(one["deploymentId"])] == ["Failed", "Skipped"]


def test_no_instance_is_said(aws: Aws) -> None:
    ended = (shop := Shop(aws).make(instances=0)).deploy(bundle())

    assert (ended["status"], ended["errorInformation"]["code"]) == ("Failed", "NO_INSTANCES")
    assert shop.targets(ended["deploymentId"]) == []


def test_a_busy_group_refuses_another_deployment_until_it_is_stopped(aws: Aws) -> None:
    shop = Shop(aws).make(instances=2)
    good = shop.deploy(bundle())
    slow = shop.upload(bundle("#!/bin/sh\nsleep 1\n"))
    key = shop.start(slow)

    with pytest.raises(ClientError) as refused:
        shop.start(slow)
    eventually(lambda: shop.deployment(key)["status"] == "InProgress")
    shop.api.stop_deployment(deploymentId=key, autoRollbackEnabled=True)
    stopped = shop.end(key)

    assert refused.value.response["Error"]["Code"] == "DeploymentLimitExceededException"
    assert key in refused.value.response["Error"]["Message"]
    assert (stopped["status"], stopped["errorInformation"]["code"]) == ("Stopped", "MANUAL_STOP")
    assert "Succeeded" not in {each["status"] for each in shop.targets(key)}
    rollback = shop.end(stopped["rollbackInfo"]["rollbackDeploymentId"])
    assert rollback["revision"] == good["revision"]
    with pytest.raises(ClientError, match="DeploymentAlreadyCompleted"):
        shop.api.stop_deployment(deploymentId=key)


def test_a_deployment_of_a_single_instance_stops_before_its_next_event(aws: Aws) -> None:
    shop = Shop(aws).make()
    hooks = APPSPEC + "  ValidateService:\n    - location: start.sh\n"
    key = shop.start(shop.upload(bundle("#!/bin/sh\necho $LIFECYCLE_EVENT >> ran\nsleep 1\n", hooks)))
    eventually(lambda: [t for t in shop.targets(key) if (shop.disk(t["targetId"]) / "ran").exists()])

    shop.api.stop_deployment(deploymentId=key)

    assert shop.end(key)["status"] == "Stopped"
    assert (shop.disk(shop.targets(key)[0]["targetId"]) / "ran").read_text() == "ApplicationStart\n"


def test_scripts_get_the_deployments_variables_and_nothing_else_and_leave_nothing_running(aws: Aws) -> None:
    shop = Shop(aws).make()

    ended = shop.deploy(bundle("#!/bin/sh\nenv > environment\nsleep 60 >/dev/null 2>&1 &\necho $! > child\n"))

    disk = shop.disk(shop.targets(ended["deploymentId"])[0]["targetId"])
    found = dict(line.split("=", 1) for line in (disk / "environment").read_text().splitlines())
    assert found["DEPLOYMENT_ID"] == ended["deploymentId"]
    assert (found["APPLICATION_NAME"], found["DEPLOYMENT_GROUP_NAME"]) == (shop.name, "web")
    assert not [name for name in found if name.startswith("AWS") or "SECRET" in name]
    child = Path("/proc") / (disk / "child").read_text().strip() / "stat"
    eventually(lambda: not child.exists() or child.read_text().split()[2] == "Z")


def test_the_history_is_filtered_by_status_and_time(aws: Aws) -> None:
    shop = Shop(aws).make()
    good, bad = shop.deploy(bundle()), shop.deploy(bundle(BAD))
    rollback = bad["rollbackInfo"]["rollbackDeploymentId"]
    shop.end(rollback)

    def listed(**filters: Any) -> list[str]:
        found: list[str] = shop.api.list_deployments(**shop.target, **filters)["deployments"]
        return found

    assert listed() == [rollback, bad["deploymentId"], good["deploymentId"]]
    assert listed(includeOnlyStatuses=["Failed"]) == [bad["deploymentId"]]
    # Clients send whole seconds.
    minute = timedelta(minutes=1)
    assert len(listed(createTimeRange={"start": good["createTime"] - minute, "end": bad["createTime"] + minute})) == 3
    assert listed(createTimeRange={"end": good["createTime"] - minute}) == []
    assert listed(createTimeRange={"start": bad["createTime"] + minute}) == []
    with pytest.raises(ClientError, match="DeploymentDoesNotExist"):
        shop.deployment("d-UNKNOWN")


def test_rules_hear_of_every_state(aws: Aws) -> None:
    shop = Shop(aws).make()
    sqs, events = aws.client("sqs"), aws.client("events")
    queue = sqs.create_queue(QueueName=shop.name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.codedeploy"], "detail": {"application": [shop.name], "deploymentGroup": ["web"]}}
    events.put_rule(Name=shop.name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=shop.name, Targets=[{"Id": "queue", "Arn": arn}])

    ended = shop.deploy(bundle())

    heard: list[dict[str, Any]] = []
    while len(heard) < 2:
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5)
        heard += [json.loads(each["Body"]) for each in found["Messages"]]
    assert {each["detail-type"] for each in heard} == {"CodeDeploy Deployment State-change Notification"}
    assert {each["detail"]["state"] for each in heard} == {"START", "SUCCESS"}
    assert {each["detail"]["deploymentId"] for each in heard} == {ended["deploymentId"]}


def test_a_caller_may_do_what_its_policy_says_and_no_more(aws: Aws) -> None:
    shop, other = Shop(aws).make(), Shop(aws).make()
    location = shop.upload(bundle())
    iam = aws.client("iam")
    iam.create_user(UserName=shop.name)
    key = iam.create_access_key(UserName=shop.name)["AccessKey"]
    group = f"arn:aws:codedeploy:{REGION}:{ACCOUNT_ID}:deploymentgroup:{shop.name}/web"
    allowed = {"Effect": "Allow", "Action": ["codedeploy:CreateDeployment"], "Resource": group}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName=shop.name, PolicyName="deploy", PolicyDocument=document)
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
    api = session.client("codedeploy", endpoint_url=aws.endpoint)
    revision = {"revisionType": "S3", "s3Location": location}

    started = api.create_deployment(**shop.target, revision=revision)["deploymentId"]

    assert shop.end(started)["status"] == "Succeeded"
    for denied in (
        lambda: api.create_deployment(**other.target, revision=revision),
        lambda: api.get_deployment(deploymentId=started),
        api.list_applications,
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            denied()


def test_a_revision_is_read_under_the_role_of_the_instance(aws: Aws) -> None:
    shop, cloudformation = Shop(aws).make(), aws.client("cloudformation")
    resources = {
        **FLEET,
        "Role": {**FLEET["Role"], "Properties": {**FLEET["Role"]["Properties"], "RoleName": shop.name}},
    }
    cloudformation.create_stack(
        StackName=shop.name,
        TemplateBody=json.dumps({"Resources": resources, "Outputs": {"Group": {"Value": {"Ref": "Group"}}}}),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    described = lambda: cloudformation.describe_stacks(StackName=shop.name)["Stacks"][0]  # noqa: E731
    eventually(lambda: described()["StackStatus"] == "CREATE_COMPLETE")
    shop.api.update_deployment_group(
        applicationName=shop.name,
        currentDeploymentGroupName="web",
        autoScalingGroups=[described()["Outputs"][0]["OutputValue"]],
    )

    denied = shop.deploy(bundle())
    allowed = {"Effect": "Allow", "Action": "s3:GetObjectVersion", "Resource": f"arn:aws:s3:::{shop.name}/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    aws.client("iam").put_role_policy(RoleName=shop.name, PolicyName="read", PolicyDocument=policy)

    assert (failure := shop.failure(denied["deploymentId"]))["event"] == "DownloadBundle"
    assert "AccessDenied" in failure["message"]
    assert shop.deploy(bundle())["status"] == "Succeeded"


def test_tags_and_configurations(aws: Aws) -> None:
    shop = Shop(aws).make()
    arn = f"arn:aws:codedeploy:{REGION}:{ACCOUNT_ID}:application:{shop.name}"
    shop.api.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    shop.api.untag_resource(ResourceArn=arn, TagKeys=["a"])
    least = {"type": "HOST_COUNT", "value": 1}
    shop.api.create_deployment_config(deploymentConfigName=shop.name, minimumHealthyHosts=least)

    assert shop.api.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    config = shop.api.get_deployment_config(deploymentConfigName=shop.name)["deploymentConfigInfo"]
    assert config["minimumHealthyHosts"] == least
    with pytest.raises(ClientError, match="DeploymentConfigDoesNotExist"):
        shop.api.update_deployment_group(
            applicationName=shop.name, currentDeploymentGroupName="web", deploymentConfigName="unknown"
        )


def test_a_stack_makes_and_removes_its_resources(aws: Aws) -> None:
    cloudformation, api = aws.client("cloudformation"), aws.client("codedeploy")
    stack = cloudformation.create_stack(StackName="codedeploy", TemplateBody=json.dumps(STACK))["StackId"]

    def status() -> str:
        found: str = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        return found

    eventually(lambda: status() == "CREATE_COMPLETE")
    resources = cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    names = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}
    info = api.get_deployment_group(applicationName=names["Application"], deploymentGroupName=names["Group"])
    assert info["deploymentGroupInfo"]["deploymentConfigName"] == names["Config"]

    cloudformation.delete_stack(StackName=stack)

    eventually(lambda: status() == "DELETE_COMPLETE")
    assert names["Application"] not in api.list_applications()["applications"]
    assert names["Config"] not in api.list_deployment_configs()["deploymentConfigsList"]


def test_the_history_survives_a_kill_and_what_ran_has_failed(tmp_path: Path) -> None:
    with Aws(tmp_path) as aws:
        shop = Shop(aws).make()
        good = shop.deploy(bundle())
        running = shop.start(shop.upload(bundle("#!/bin/sh\nsleep 20\n")))
        file = tmp_path / "state" / "codedeploy.json"
        eventually(lambda: file.exists() and running in file.read_text() and "InProgress" in file.read_text())
        assert aws.pid
        os.kill(aws.pid, signal.SIGKILL)
        eventually(lambda: aws.pid is None)

        aws.start()

        assert shop.deployment(good["deploymentId"])["status"] == "Succeeded"
        assert shop.deployment(running)["status"] == "Failed"
        assert {each["status"] for each in shop.targets(running)} <= {"Failed", "Skipped"}
        assert shop.deploy(bundle())["status"] == "Succeeded"

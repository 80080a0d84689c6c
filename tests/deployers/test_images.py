"""Which image a stack's instances are made from: it stays until a person asks for another one."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from django.core.cache import cache

from deployers.aws import images as aws_images
from deployers.aws import session
from deployers.aws.session import Access
from deployers.errors import NotFoundAtAws, Throttled
from deployers.models import Operation, OperationKind, Stack
from deployers.services import accounts, history, images, stacks
from deployers.services.images import Image
from deployers.services.steps import connect
from deployers.services.steps.parameters import stack_parameters
from deployers.services.steps.work import Work
from deployers.states import OperationStatus
from integrations.models import Integration
from teams.errors import Forbidden, Refused
from teams.models import AuditEntry, Role
from tests.factories import make_integration, make_operation, make_stack, make_user

pytestmark = pytest.mark.django_db
OLD, NEW = "ami-0aaaaaaaaaaaaaaa1", "ami-0bbbbbbbbbbbbbbb2"
AL2023 = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
GRAVITON = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
ECS = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"


def a_stack(kind: str = "codedeploy", *, chosen: dict[str, str] | None = None, **fields: Any) -> Stack:
    integration = make_integration(deployers=[kind], deploy_ref="main", parameters={kind: chosen or {}})
    fields = {"image_id": OLD, "image_parameter": AL2023, **fields}
    return make_stack(integration=integration, kind=kind, **fields)


def access_of(stack: Stack) -> Access:
    return accounts.access(stack.integration.aws_account, stack.region)


def ssm_of(stack: Stack, *, quick: bool = False) -> Any:
    return session.client(access_of(stack), "ssm", quick=quick)


def names(parameter: str, image: str = NEW) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """AWS's answer to what a parameter names."""
    return "get_parameters", {"Parameters": [{"Name": parameter, "Value": image}]}, {"Names": [parameter]}


def to_use(stack: Stack, *answers: Any, anew: bool = False, ask_for_newest: bool = False) -> Image:
    with Stubber(ssm_of(stack)) as ssm:
        for answer in answers:
            ssm.add_response(*answer)
        found = images.to_use(access=access_of(stack), stack=stack, anew=anew, ask_for_newest=ask_for_newest)
        ssm.assert_no_pending_responses()
    return found


@pytest.mark.parametrize(
    ("kind", "chosen", "parameter"),
    [
        ("codedeploy", {}, AL2023),
        ("codedeploy", {"ImageId": GRAVITON}, GRAVITON),
        ("ecs", {}, ECS),
        ("ecs", {"LaunchType": "EC2"}, ECS),
        ("ecs", {"LaunchType": "FARGATE"}, ""),
    ],
)
def test_each_kind_of_stack_has_the_parameter_of_its_template(
    kind: str, chosen: dict[str, str], parameter: str
) -> None:
    assert images.parameter_of(a_stack(kind, chosen=chosen).integration, kind) == parameter


def test_a_git_stack_has_no_image() -> None:
    assert images.parameter_of(make_integration(), "git_intgrtn_aws_s3") == ""


def test_a_provisioning_keeps_the_image_and_does_not_ask_for_another() -> None:
    assert to_use(a_stack()) == Image(OLD, AL2023)


def test_a_new_stack_gets_the_newest_image() -> None:
    stack = a_stack(image_id="", image_parameter="", stack_id="", aws_status="")
    assert to_use(stack, names(AL2023), anew=True) == Image(NEW, AL2023)


def test_a_person_gets_the_newest_image_who_asks_for_it() -> None:
    assert to_use(a_stack(), names(AL2023), ask_for_newest=True) == Image(NEW, AL2023)


def test_an_image_that_a_person_chose_goes_first() -> None:
    stack = a_stack(chosen={"PinnedImageId": NEW})
    assert to_use(stack, ask_for_newest=True) == Image(NEW, AL2023)


def test_another_kind_of_image_brings_another_image() -> None:
    assert to_use(a_stack(chosen={"ImageId": GRAVITON}), names(GRAVITON)) == Image(NEW, GRAVITON)


def test_what_is_no_image_is_left_to_cloudformation() -> None:
    stack = a_stack(chosen={"ImageId": "/acme/name"})
    assert to_use(stack, names("/acme/name", "shop")) == Image("", "/acme/name")


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_a_stack_is_made_without_the_right_to_ask_but_not_while_aws_is_busy(code: str) -> None:
    stack = a_stack(image_id="", image_parameter="", stack_id="", aws_status="")
    with Stubber(ssm_of(stack)) as ssm:
        ssm.add_client_error("get_parameters", code)
        if code == "ThrottlingException":
            with pytest.raises(Throttled):
                images.to_use(access=access_of(stack), stack=stack, anew=True, ask_for_newest=False)
        else:
            found = images.to_use(access=access_of(stack), stack=stack, anew=True, ask_for_newest=False)
            assert found == Image("", AL2023)


def test_a_parameter_that_is_not_there_is_told(moto: None) -> None:
    stack = a_stack()
    with pytest.raises(NotFoundAtAws, match="/acme/none"):
        aws_images.newest(access_of(stack), "/acme/none")


INNER = {
    "Resources": {
        "LaunchTemplate": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {"LaunchTemplateData": {"ImageId": OLD, "InstanceType": "t3.micro"}},
        },
        "AutoScalingGroup": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "Properties": {
                "MinSize": "0",
                "MaxSize": "1",
                "AvailabilityZones": ["us-east-1a"],
                "LaunchTemplate": {
                    "LaunchTemplateId": {"Ref": "LaunchTemplate"},
                    "Version": {"Fn::GetAtt": ["LaunchTemplate", "LatestVersionNumber"]},
                },
            },
        },
    }
}


def test_of_a_stack_of_an_earlier_version_the_group_tells_the_image(moto: None) -> None:
    s3, cloudformation = boto3.client("s3", "us-east-1"), boto3.client("cloudformation", "us-east-1")
    s3.create_bucket(Bucket="templates")
    s3.put_object(Bucket="templates", Key="fleet.json", Body=json.dumps(INNER))
    outer = {
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Fleet": {
                "Type": "AWS::CloudFormation::Stack",
                "Properties": {"TemplateURL": "https://s3.amazonaws.com/templates/fleet.json"},
            },
        }
    }
    made = cloudformation.create_stack(StackName="sluice-shop-codedeploy", TemplateBody=json.dumps(outer))
    ec2 = boto3.client("ec2", "us-east-1")
    [launch] = ec2.describe_launch_templates()["LaunchTemplates"]
    # A version that the group does not use, as an update leaves behind that was undone.
    ec2.create_launch_template_version(
        LaunchTemplateId=launch["LaunchTemplateId"], LaunchTemplateData={"ImageId": NEW, "InstanceType": "t3.micro"}
    )
    stack = a_stack(image_id="", image_parameter="", stack_id=made["StackId"])

    found = images.to_use(access=access_of(stack), stack=stack, anew=False, ask_for_newest=False)

    assert found == Image(OLD, AL2023)


PUBLISHED = {"bucket": "packages", "prefix": "1", "templates_url": "https://packages/1", "template_url": "https://p"}


def work_on(stack: Stack, **options: Any) -> Work:
    make_stack(integration=stack.integration, outputs={"OutputBucketName": "zips"})
    return Work(make_operation(stack=stack, kind=OperationKind.UPDATE, options={"published": PUBLISHED, **options}))


@pytest.mark.parametrize("kind", ["codedeploy", "ecs"])
def test_the_image_is_sent_and_noted_once_the_stack_has_it(kind: str) -> None:
    parameter = {"codedeploy": AL2023, "ecs": ECS}[kind]
    stack = a_stack(kind, image_parameter=parameter)
    work = work_on(stack, newest_image=True)
    with Stubber(ssm_of(stack)) as ssm:
        ssm.add_response(*names(parameter))
        assert stack_parameters(work)["PinnedImageId"] == NEW
    assert Stack.objects.get(pk=stack.pk).image_id == OLD, "the change was not made yet"

    described = {"StackId": stack.stack_id, "StackName": stack.name, "StackStatus": "UPDATE_COMPLETE"}
    with Stubber(session.client(access_of(stack), "cloudformation")) as cloudformation:
        cloudformation.add_response("describe_stacks", {"Stacks": [{**described, "CreationTime": 0}]})
        connect.outputs(work)
    stack.refresh_from_db()
    assert (stack.image_id, stack.image_parameter) == (NEW, parameter)


def test_a_fargate_stack_gets_no_image() -> None:
    stack = a_stack("ecs", chosen={"LaunchType": "FARGATE"}, image_id="", image_parameter="")
    assert "PinnedImageId" not in stack_parameters(work_on(stack))


def test_a_stack_that_is_made_anew_forgets_its_image() -> None:
    stack = a_stack()
    history.start_anew(stack)
    assert (stack.image_id, stack.image_parameter) == ("", "")


@pytest.fixture
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.mark.usefixtures("_empty_cache")
def test_a_newer_image_is_told_and_asked_for_once() -> None:
    stack = a_stack()
    with Stubber(ssm_of(stack, quick=True)) as ssm:
        ssm.add_response(*names(AL2023))
        assert images.told(stack) == images.told(stack) == images.Told(id=OLD, newer=NEW, chosen=False)
        ssm.assert_no_pending_responses()
        stack.image_id = NEW
        assert images.told(stack) == images.Told(id=NEW, newer="", chosen=False)


@pytest.mark.usefixtures("_empty_cache")
def test_while_aws_does_not_answer_no_newer_image_is_told() -> None:
    stack = a_stack()
    with Stubber(ssm_of(stack, quick=True)) as ssm:
        ssm.add_client_error("get_parameters", "InternalServerError")
        assert images.told(stack) == images.told(stack) == images.Told(id=OLD, newer="", chosen=False)


def test_of_a_stack_without_a_known_image_nothing_is_told() -> None:
    assert images.told(a_stack(image_id="")) is None


def asked(stack: Stack) -> Operation:
    return stacks.update_image(stack=stack, actor=make_user(team=stack.integration.team, role=Role.OPERATOR))


def test_updating_the_image_waits_for_a_review_and_is_about_this_stack_alone() -> None:
    stack = a_stack()
    make_stack(integration=stack.integration)
    operation = asked(stack)
    assert (operation.stack, operation.kind) == (stack, OperationKind.UPDATE)
    assert operation.options == {"review": True, "newest_image": True}
    assert AuditEntry.objects.get().action == "integration.provision"


def test_a_viewer_may_not_update_the_image() -> None:
    stack = a_stack()
    with pytest.raises(Forbidden):
        stacks.update_image(stack=stack, actor=make_user(team=stack.integration.team, role=Role.VIEWER))


@pytest.mark.parametrize(
    ("kind", "chosen", "fields", "why"),
    [
        ("git_intgrtn_aws_s3", {}, {}, "no instances"),
        ("ecs", {"LaunchType": "FARGATE"}, {}, "no instances"),
        ("codedeploy", {"PinnedImageId": OLD}, {}, "was chosen"),
        ("codedeploy", {}, {"aws_status": "ROLLBACK_COMPLETE"}, "not ready"),
        ("codedeploy", {}, {"aws_status": "", "stack_id": ""}, "not ready"),
    ],
)
def test_an_image_that_cannot_be_updated(kind: str, chosen: dict[str, str], fields: dict[str, str], why: str) -> None:
    integration = make_integration(
        deployers=[] if kind.startswith("git") else [kind], deploy_ref="main", parameters={kind: chosen}
    )
    with pytest.raises(Refused, match=why):
        asked(make_stack(integration=integration, kind=kind, **fields))
    assert not Operation.objects.exists()


def test_a_stack_that_its_integration_left_keeps_its_image() -> None:
    stack = a_stack()
    Integration.objects.filter(pk=stack.integration.pk).update(deployers=[])
    with pytest.raises(Refused):
        asked(Stack.objects.get(pk=stack.pk))


def test_an_update_of_the_image_that_failed_is_tried_again_as_one() -> None:
    stack = a_stack()
    failed = asked(stack)
    Operation.objects.filter(pk=failed.pk).update(status=OperationStatus.FAILED)
    Stack.objects.filter(pk=stack.pk).update(aws_status="UPDATE_ROLLBACK_FAILED")
    again = stacks.retry(operation=Operation.objects.get(pk=failed.pk), actor=make_user(team=stack.integration.team))
    assert again.stack == stack
    assert again.options == {"review": True, "newest_image": True, "repair": True}

"""Who makes a resource through CloudFormation must be allowed to: the service role, or else the caller."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox.aws import ACCOUNT_ID, Aws
from tests.sandbox.conftest import eventually
from tests.sandbox.stacks import HERE, Account, allow, document, failures, made, name, settled, template

pytestmark = pytest.mark.sandbox

STACKS = allow("cloudformation:*")
QUEUE = template(Queue=("AWS::SQS::Queue", {}))
QUEUES = allow("sqs:CreateQueue", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags", "sqs:DeleteQueue")
PASS = allow("iam:PassRole")


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with Aws(tmp_path_factory.mktemp("aws")) as aws:
        yield Account(aws)


def test_root_may_do_all(account: Account) -> None:
    assert made(account.cloudformation(), QUEUE)[1:] == ("CREATE_COMPLETE", {})


def test_without_a_role_the_caller_makes_the_resource_and_must_be_allowed_to(account: Account) -> None:
    caller = account.user(STACKS, allow("sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:ListQueueTags"))

    _, status, failed = made(account.cloudformation(caller), QUEUE)

    assert status == "ROLLBACK_COMPLETE"
    said = failed["Queue"]
    assert said.startswith(f'Resource handler returned message: "User: arn:aws:iam::{ACCOUNT_ID}:user/user-')
    assert f"is not authorized to perform: sqs:CreateQueue on resource: arn:aws:sqs:{HERE}:stack-" in said
    assert "because no identity-based policy allows the sqs:CreateQueue action" in said
    assert "Status Code: 403" in said
    assert said.endswith("HandlerErrorCode: AccessDenied)")
    assert made(account.cloudformation(account.user(STACKS, QUEUES)), QUEUE)[1] == "CREATE_COMPLETE"


def test_a_session_of_a_role_acts_with_the_roles_and_the_sessions_policies(account: Account) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT_ID}, "Action": "sts:AssumeRole"}
    role = account.iam.create_role(RoleName="people", AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    account.iam.put_role_policy(RoleName="people", PolicyName="own", PolicyDocument=document(STACKS, QUEUES))
    sts = account.user(allow("sts:AssumeRole")).client("sts", endpoint_url=account.aws.endpoint)

    def session(**more: Any) -> boto3.Session:
        given = sts.assume_role(RoleArn=role, RoleSessionName="ada", **more)["Credentials"]
        return boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    assert made(account.cloudformation(session()), QUEUE)[1] == "CREATE_COMPLETE"
    narrow = account.cloudformation(session(Policy=document(STACKS)))
    assert "assumed-role/people/ada is not authorized to perform: sqs:CreateQueue" in made(narrow, QUEUE)[2]["Queue"]


def test_a_service_role_makes_the_resource_whatever_the_caller_may(account: Account) -> None:
    caller = account.cloudformation(account.user(STACKS, PASS))
    all_of_it = account.cloudformation(account.user(allow("*")))

    assert made(caller, QUEUE, RoleARN=account.role(QUEUES))[1] == "CREATE_COMPLETE"
    role = account.role(allow("sqs:GetQueueUrl"))
    said = made(all_of_it, QUEUE, RoleARN=role)[2]["Queue"]
    session = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/{role.rpartition('/')[2]}/AWSCloudFormation"
    assert f"User: {session} is not authorized to perform: sqs:CreateQueue" in said
    # Root as well: the role is what acts.
    assert "sqs:CreateQueue" in made(account.cloudformation(), QUEUE, RoleARN=role)[2]["Queue"]


def test_a_role_must_be_passed_and_must_trust_cloudformation(account: Account) -> None:
    role = account.role(QUEUES)
    to_lambda = allow("iam:PassRole", StringEquals={"iam:PassedToService": "lambda.amazonaws.com"})
    for caller in (account.user(STACKS), account.user(STACKS, to_lambda)):
        for call in ("create_stack", "create_change_set"):
            more = {"ChangeSetName": "new", "ChangeSetType": "CREATE"} if call == "create_change_set" else {}
            with pytest.raises(ClientError, match=f"perform: iam:PassRole on resource: {role}") as refused:
                getattr(account.cloudformation(caller), call)(
                    StackName=name(), TemplateBody=QUEUE, RoleARN=role, **more
                )
            assert refused.value.response["Error"]["Code"] == "AccessDenied"
    for wrong in (
        account.role(QUEUES, service="lambda"),
        # Not documented to be filled for a service role.
        account.role(QUEUES, StringEquals={"aws:SourceAccount": ACCOUNT_ID}),
        f"{role}-gone",
    ):
        with pytest.raises(ClientError, match=f"Role {wrong} is invalid or cannot be assumed"):
            account.cloudformation().create_stack(StackName=name(), TemplateBody=QUEUE, RoleARN=wrong)


def test_a_role_stays_the_stacks_for_callers_who_may_not_pass_it(account: Account) -> None:
    role = account.role(QUEUES)
    stack, status, _ = made(account.cloudformation(account.user(STACKS, PASS)), QUEUE, RoleARN=role)
    assert status == "CREATE_COMPLETE"

    other = account.cloudformation(account.user(STACKS))
    assert other.describe_stacks(StackName=stack)["Stacks"][0]["RoleARN"] == role
    other.delete_stack(StackName=stack)

    assert settled(other, stack)["StackStatus"] == "DELETE_COMPLETE"


def test_a_change_set_is_executed_with_its_role(account: Account) -> None:
    cloudformation = account.cloudformation(account.user(STACKS, PASS))
    for role, status in ((account.role(), "ROLLBACK_COMPLETE"), (account.role(QUEUES), "CREATE_COMPLETE")):
        stack = name()
        asked = {"StackName": stack, "ChangeSetName": "new"}
        cloudformation.create_change_set(**asked, TemplateBody=QUEUE, ChangeSetType="CREATE", RoleARN=role)
        cloudformation.execute_change_set(**asked)
        assert settled(cloudformation, stack)["StackStatus"] == status


def test_deletion_that_is_refused_leaves_the_stack_with_the_reason(account: Account) -> None:
    making = [each for each in QUEUES["Action"] if each != "sqs:DeleteQueue"]
    cloudformation = account.cloudformation()
    role = account.role(allow(*making))
    stack, status, _ = made(cloudformation, QUEUE, RoleARN=role)
    assert status == "CREATE_COMPLETE"

    cloudformation.delete_stack(StackName=stack)

    found = settled(cloudformation, stack)
    assert found["StackStatus"] == "DELETE_FAILED"
    assert found["StackStatusReason"] == "The following resource(s) failed to delete: [Queue]."
    assert "is not authorized to perform: sqs:DeleteQueue" in failures(cloudformation, stack)["Queue"]
    account.iam.put_role_policy(RoleName=role.rpartition("/")[2], PolicyName="own", PolicyDocument=document(QUEUES))
    cloudformation.delete_stack(StackName=stack)
    assert settled(cloudformation, stack)["StackStatus"] == "DELETE_COMPLETE"


def test_a_rollback_that_is_refused_fails(account: Account) -> None:
    making = [each for each in QUEUES["Action"] if each != "sqs:DeleteQueue"]
    body = json.loads(template(Queue=("AWS::SQS::Queue", {}), Topic=("AWS::SNS::Topic", {})))
    body["Resources"]["Topic"]["DependsOn"] = "Queue"

    _, status, failed = made(account.cloudformation(), json.dumps(body), RoleARN=account.role(allow(*making)))

    assert status == "ROLLBACK_FAILED"
    assert "sns:CreateTopic" in failed["Topic"]
    assert "sqs:DeleteQueue" in failed["Queue"]


def test_an_update_needs_what_the_types_update_needs_and_no_more(account: Account) -> None:
    cloudformation = account.cloudformation()
    role = account.role(QUEUES)
    stack, _, _ = made(cloudformation, QUEUE, RoleARN=role)
    longer = template(Queue=("AWS::SQS::Queue", {"VisibilityTimeout": 60}))

    cloudformation.update_stack(StackName=stack, TemplateBody=longer)
    assert settled(cloudformation, stack)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "sqs:SetQueueAttributes" in failures(cloudformation, stack)["Queue"]

    account.iam.put_role_policy(
        RoleName=role.rpartition("/")[2],
        PolicyName="own",
        PolicyDocument=document(allow("sqs:SetQueueAttributes", "sqs:GetQueueAttributes", "sqs:ListQueueTags")),
    )
    cloudformation.update_stack(StackName=stack, TemplateBody=longer)
    assert settled(cloudformation, stack)["StackStatus"] == "UPDATE_COMPLETE"


def test_the_permissions_boundary_of_a_role_holds(account: Account) -> None:
    boundary = account.managed_policy(allow("sns:*"))

    said = made(account.cloudformation(), QUEUE, RoleARN=account.role(QUEUES, boundary=boundary))[2]["Queue"]

    assert "because no permissions boundary allows the sqs:CreateQueue action" in said


def test_an_explicit_deny_is_said(account: Account) -> None:
    deny = {"Effect": "Deny", "Action": "sqs:CreateQueue", "Resource": "*"}

    said = made(account.cloudformation(), QUEUE, RoleARN=account.role(QUEUES, deny))[2]["Queue"]

    assert "with an explicit deny in an identity-based policy" in said


def test_a_policy_on_a_name_covers_the_name_that_the_resource_will_get(account: Account) -> None:
    cloudformation = account.cloudformation()
    for pattern, status in (
        (f"arn:aws:sqs:{HERE}:mine-*", "CREATE_COMPLETE"),
        ("arn:aws:sqs:*:*:x-*", "ROLLBACK_COMPLETE"),
    ):
        role = account.role(allow(*QUEUES["Action"], on=pattern))
        stack = f"mine-{name()}"
        cloudformation.create_stack(StackName=stack, TemplateBody=QUEUE, RoleARN=role)
        assert settled(cloudformation, stack)["StackStatus"] == status


ROLES = allow(
    "iam:GetRole",
    "iam:DeleteRole",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
)


def test_a_role_without_the_boundary_that_a_policy_asks_for_is_not_made(account: Account) -> None:
    boundary = account.managed_policy(allow("logs:*"))
    maker = account.role(ROLES, allow("iam:CreateRole", StringEquals={"iam:PermissionsBoundary": boundary}))
    trust = json.loads(
        document({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
    )
    for more, status in (({}, "ROLLBACK_COMPLETE"), ({"PermissionsBoundary": boundary}, "CREATE_COMPLETE")):
        body = template(Role=("AWS::IAM::Role", {"AssumeRolePolicyDocument": trust, **more}))
        assert made(account.cloudformation(), body, RoleARN=maker, Capabilities=["CAPABILITY_IAM"])[1] == status


def test_a_role_that_the_resource_is_given_must_be_passed_to_the_right_service(account: Account) -> None:
    role = account.role(service="events")
    rule = template(
        Rule=(
            "AWS::Events::Rule",
            {
                "ScheduleExpression": "rate(1 day)",
                "Targets": [{"Id": "queue", "Arn": f"arn:aws:sqs:{HERE}:queue", "RoleArn": role}],
            },
        )
    )
    rules = allow("events:PutRule", "events:DescribeRule", "events:PutTargets", "events:List*")

    for service, status in (("lambda", "ROLLBACK_COMPLETE"), ("events", "CREATE_COMPLETE")):
        passing = allow("iam:PassRole", on=role, StringEquals={"iam:PassedToService": f"{service}.amazonaws.com"})
        found = made(account.cloudformation(), rule, RoleARN=account.role(rules, passing))
        assert found[1] == status, found[2]


def test_tags_of_the_stack_reach_conditions(account: Account) -> None:
    tags = [{"Key": "team", "Value": "shop"}]
    wanted = {"StringEquals": {"aws:RequestTag/team": "shop"}}
    owned = {"StringEquals": {"aws:ResourceTag/team": "shop"}}
    role = account.role(
        allow("sqs:CreateQueue", "sqs:TagQueue", **wanted),
        allow("sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags", "sqs:DeleteQueue", **owned),
    )
    cloudformation = account.cloudformation()

    assert "sqs:CreateQueue" in made(cloudformation, QUEUE, RoleARN=role)[2]["Queue"]
    stack, status, _ = made(cloudformation, QUEUE, RoleARN=role, Tags=tags)
    assert status == "CREATE_COMPLETE"
    cloudformation.delete_stack(StackName=stack)
    assert settled(cloudformation, stack)["StackStatus"] == "DELETE_COMPLETE"


def test_callers_can_be_limited_to_cloudformation(account: Account) -> None:
    through = allow(
        *QUEUES["Action"], **{"ForAnyValue:StringEquals": {"aws:CalledVia": "cloudformation.amazonaws.com"}}
    )
    caller = account.user(STACKS, through)

    assert made(account.cloudformation(caller), QUEUE)[1] == "CREATE_COMPLETE"
    with pytest.raises(ClientError, match="AccessDenied"):
        caller.client("sqs", endpoint_url=account.aws.endpoint).create_queue(QueueName="direct")


def nested(account: Account, body: str) -> str:
    """A template with a nested stack of this template."""
    s3 = account.aws.client("s3")
    s3.create_bucket(Bucket="templates")
    key = f"{name()}.json"
    s3.put_object(Bucket="templates", Key=key, Body=body.encode())
    return template(Child=("AWS::CloudFormation::Stack", {"TemplateURL": f"https://s3.amazonaws.com/templates/{key}"}))


CHILDREN = allow(
    "cloudformation:CreateStack", "cloudformation:DescribeStacks", "cloudformation:DeleteStack", "s3:GetObject"
)


def test_a_nested_stack_acts_as_its_parent(account: Account) -> None:
    body = nested(account, QUEUE)
    cloudformation = account.cloudformation()

    failed = made(cloudformation, body, RoleARN=account.role(CHILDREN))[2]["Child"]
    assert "sqs:CreateQueue" in failed
    stack, status, _ = made(cloudformation, body, RoleARN=account.role(CHILDREN, QUEUES))
    assert status == "CREATE_COMPLETE"
    cloudformation.delete_stack(StackName=stack)
    assert settled(cloudformation, stack)["StackStatus"] == "DELETE_COMPLETE"


def test_a_nested_stack_whose_deletion_is_refused_fails_with_its_parent(account: Account) -> None:
    making = [each for each in QUEUES["Action"] if each != "sqs:DeleteQueue"]
    cloudformation = account.cloudformation()
    stack, status, _ = made(cloudformation, nested(account, QUEUE), RoleARN=account.role(CHILDREN, allow(*making)))
    assert status == "CREATE_COMPLETE"
    child = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId="Child")
    child_id = child["StackResourceDetail"]["PhysicalResourceId"]

    cloudformation.delete_stack(StackName=stack)

    assert settled(cloudformation, stack)["StackStatus"] == "DELETE_FAILED"
    assert settled(cloudformation, child_id)["StackStatus"] == "DELETE_FAILED"
    assert "sqs:DeleteQueue" in failures(cloudformation, child_id)["Queue"]
    assert "was not successfully deleted: The following resource(s) failed" in failures(cloudformation, stack)["Child"]


def test_what_a_nested_stack_made_goes_when_the_rest_of_it_is_refused(account: Account) -> None:
    body = json.loads(template(Queue=("AWS::SQS::Queue", {"QueueName": name()}), Topic=("AWS::SNS::Topic", {})))
    body["Resources"]["Topic"]["DependsOn"] = "Queue"
    cloudformation = account.cloudformation()
    parent = nested(account, json.dumps(body))

    _, status, failed = made(cloudformation, parent, RoleARN=account.role(CHILDREN, QUEUES))

    assert status == "ROLLBACK_COMPLETE"
    assert "sns:CreateTopic" in failed["Child"]
    urls = account.aws.client("sqs").list_queues().get("QueueUrls", [])
    assert not [each for each in urls if body["Resources"]["Queue"]["Properties"]["QueueName"] in each]


def test_a_template_in_s3_is_read_for_the_caller(account: Account) -> None:
    nested(account, QUEUE)
    account.aws.client("s3").put_object(Bucket="templates", Key="queue.json", Body=QUEUE.encode())
    asked = {"TemplateURL": "https://s3.amazonaws.com/templates/queue.json"}

    with pytest.raises(ClientError, match="S3 error: Access Denied"):
        account.cloudformation(account.user(STACKS)).create_stack(StackName=name(), **asked)
    may = account.cloudformation(account.user(STACKS, QUEUES, allow("s3:GetObject", on="arn:aws:s3:::templates/*")))
    assert eventually(lambda: may.create_stack(StackName=name(), **asked)["StackId"])


def test_a_type_of_which_nobody_knows_what_it_needs_is_refused(account: Account) -> None:
    body = template(Policy=("AWS::SQS::QueuePolicy", {"Queues": [], "PolicyDocument": {}}))

    assert (
        "what AWS::SQS::QueuePolicy needs" in made(account.cloudformation(account.user(allow("*"))), body)[2]["Policy"]
    )

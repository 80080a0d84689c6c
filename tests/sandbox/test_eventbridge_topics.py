"""Which topics EventBridge can publish to."""

import json
from typing import Any

import pytest

from sandbox.aws import ACCOUNT_ID, REGION, Aws
from tests.sandbox.conftest import eventually

pytestmark = pytest.mark.sandbox

ALLOW = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish", "Resource": "*"}
OF_KEY = {"kms:GenerateDataKey", "kms:Decrypt"}


def arrives(aws: Aws, name: str, statement: dict[str, Any], *, key: str = "", role: str = "") -> bool:
    """Whether an event reaches a queue that listens to the topic; one that a good topic gets comes after it."""
    sqs = aws.client("sqs")
    queues = {}
    for topic, its_key, allowed, its_role in ((name, key, statement, role), (f"{name}-good", "", ALLOW, "")):
        sns, events = aws.client("sns"), aws.client("events")
        arn = sns.create_topic(Name=topic, Attributes={"KmsMasterKeyId": its_key} if its_key else {})["TopicArn"]
        policy = {"Version": "2012-10-17", "Statement": [allowed]}
        sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(policy))
        queues[topic] = sqs.create_queue(QueueName=topic)["QueueUrl"]
        queue_arn = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{topic}"
        listens = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
        sqs.set_queue_attributes(
            QueueUrl=queues[topic],
            Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [listens]})},
        )
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)
        events.put_rule(Name=topic, EventPattern=json.dumps({"source": [name]}))
        target = {"Id": "topic", "Arn": arn} | ({"RoleArn": its_role} if its_role else {})
        events.put_targets(Rule=topic, Targets=[target])
    aws.client("events").put_events(Entries=[{"Source": name, "DetailType": "test", "Detail": "{}"}])
    eventually(lambda: sqs.receive_message(QueueUrl=queues[f"{name}-good"]).get("Messages"))
    if expected := sqs.receive_message(QueueUrl=queues[name], WaitTimeSeconds=1).get("Messages"):
        assert len(expected) == 1
    return bool(expected)


def key(aws: Aws, *statements: dict[str, Any]) -> str:
    owner = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    policy = {"Version": "2012-10-17", "Statement": [owner, *statements]}
    made: str = aws.client("kms").create_key(Policy=json.dumps(policy))["KeyMetadata"]["KeyId"]
    return made


def test_a_plain_topic(local_aws: Aws) -> None:
    assert arrives(local_aws, "plain", ALLOW)


@pytest.mark.parametrize(
    "more",
    [
        {"Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT_ID}}},
        {"Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/conditional"}}},
        {"Principal": {"Service": "codestar-notifications.amazonaws.com"}},
        {"Action": "sns:Subscribe"},
    ],
)
def test_a_policy_with_a_condition_or_for_another_service(local_aws: Aws, more: dict[str, Any]) -> None:
    assert not arrives(local_aws, f"conditional-{len(json.dumps(more))}", {**ALLOW, **more})


def test_the_key_that_aws_manages(local_aws: Aws) -> None:
    assert not arrives(local_aws, "managed", ALLOW, key="alias/aws/sns")


def test_a_key_of_ones_own_whose_policy_says_so(local_aws: Aws) -> None:
    service = {"Effect": "Allow", "Principal": ALLOW["Principal"], "Action": sorted(OF_KEY), "Resource": "*"}
    assert arrives(local_aws, "own-key", ALLOW, key=key(local_aws, service))
    assert not arrives(local_aws, "silent-key", ALLOW, key=key(local_aws))
    condition = {"StringEquals": {"aws:SourceAccount": ACCOUNT_ID}}
    assert not arrives(local_aws, "strict-key", ALLOW, key=key(local_aws, {**service, "Condition": condition}))


def test_a_role_of_the_rule(local_aws: Aws) -> None:
    iam = local_aws.client("iam")
    trust = {"Effect": "Allow", "Principal": ALLOW["Principal"], "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="publisher", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    nobody = {"Effect": "Deny", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sns:Publish", "Resource": "*"}
    assert not arrives(local_aws, "role-lacks", nobody, role=role)
    allowed = {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"}
    iam.put_role_policy(
        RoleName="publisher",
        PolicyName="publish",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    assert arrives(local_aws, "role-may", nobody, role=role, key="alias/aws/sns")

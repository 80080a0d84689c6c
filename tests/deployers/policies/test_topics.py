"""Failures that EventBridge tells a topic of arrive."""

from typing import Any

import pytest

from deployers.policies import topics, width


def template(**topic: Any) -> dict[str, Any]:
    rule = {"Type": "AWS::Events::Rule", "Properties": {"Targets": [{"Id": "Topic", "Arn": {"Ref": "Topic"}}]}}
    return {"Resources": {"Rule": rule, "Topic": {"Type": "AWS::SNS::Topic", "Properties": topic}}}


def policy(**statement: Any) -> dict[str, Any]:
    allow = {"Effect": "Allow", "Action": "sns:Publish", "Resource": "arn:aws:sns:eu-central-1:111122223333:t"}
    allow |= {"Principal": {"Service": "events.amazonaws.com"}, **statement}
    properties = {"PolicyDocument": {"Statement": [allow]}}
    return {"Resources": {"Policy": {"Type": "AWS::SNS::TopicPolicy", "Properties": properties}}}


def test_a_topic_under_the_key_of_sns_hears_nothing_of_rules() -> None:
    (found,) = topics.faults("t.yaml", template(KmsMasterKeyId="alias/aws/sns"))
    assert "EventBridge cannot use alias/aws/sns" in found


@pytest.mark.parametrize("topic", [{}, {"KmsMasterKeyId": {"Ref": "Key"}}])
def test_a_topic_without_a_key_or_under_another_passes(topic: dict[str, Any]) -> None:
    assert topics.faults("t.yaml", template(**topic)) == []


def test_a_topic_policy_may_not_ask_eventbridge_for_its_source() -> None:
    assert width.faults("t.yaml", policy()) == []
    (found,) = width.faults("t.yaml", policy(Condition={"StringEquals": {"aws:SourceAccount": "111122223333"}}))
    assert "shut out" in found


def test_other_services_have_to_name_their_source() -> None:
    (found,) = width.faults("t.yaml", policy(Principal={"Service": "s3.amazonaws.com"}))
    assert "may act for other accounts" in found

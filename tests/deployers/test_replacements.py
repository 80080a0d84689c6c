"""What of a change set is certain, and why the rest may not happen."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from deployers.aws import cloudformation, replacements
from deployers.aws.replacements import reasons, unknown_parameters


def detail(
    recreation: str = "Always", source: str = "DirectModification", evaluation: str = "Static", **more: str
) -> dict[str, Any]:
    return {
        "Target": {"Attribute": "Properties", "Name": more.pop("Name", "Name"), "RequiresRecreation": recreation},
        "Evaluation": evaluation,
        "ChangeSource": source,
        **more,
    }


def change(logical_id: str, replacement: str, *details: dict[str, Any], action: str = "Modify") -> dict[str, Any]:
    return {
        "Action": action,
        "LogicalResourceId": logical_id,
        "ResourceType": "AWS::ElasticLoadBalancingV2::TargetGroup",
        "Replacement": replacement,
        "Details": list(details),
    }


BY_PARAMETER = (
    detail(evaluation="Dynamic", Name="VpcId"),
    detail(source="ParameterReference", CausingEntity="Vpc", Name="VpcId"),
)


def test_a_parameter_that_another_stack_gives_has_no_value_yet() -> None:
    assert unknown_parameters(
        [
            {"ParameterKey": "Vpc", "ParameterValue": "{{IntrinsicFunction:shop/Net.Outputs.Vpc/Fn::GetAtt}}"},
            {"ParameterKey": "Late", "ParameterValue": "{{changeSet:KNOWN_AFTER_APPLY}}"},
            {"ParameterKey": "Secret", "ParameterValue": "{{resolve:secretsmanager:shop}}"},
            {"ParameterKey": "Name", "ParameterValue": "shop"},
            {"ParameterKey": "Image"},
        ]
    ) == {"Vpc", "Late"}


def test_a_new_value_that_people_chose_is_certain() -> None:
    assert reasons([change("Group", "True", *BY_PARAMETER)], unknown=()) == {}
    assert reasons([change("Group", "True", detail())], unknown=("Vpc",)) == {}
    assert reasons([change("Group", "True")], unknown=()) == {}
    assert reasons([change("Group", "", action="Add"), change("Old", "", action="Remove")], unknown=()) == {}


def test_a_value_that_another_stack_gives_replaces_nothing_for_certain() -> None:
    assert reasons([change("Group", "True", *BY_PARAMETER)], unknown=("Vpc",)) == {
        "Group": "AWS knows the new value of VpcId only during the update, as another stack gives it (parameter Vpc)."
    }
    changed_too = (*BY_PARAMETER, detail(Name="Port"))
    assert reasons([change("Group", "True", *changed_too)], unknown=("Vpc",)) == {}


def test_what_follows_from_a_possible_replacement_is_possible_and_from_a_certain_one_certain() -> None:
    listener = change("Listener", "True", detail(source="ResourceReference", CausingEntity="Group", Name="Actions"))
    rule = change(
        "Rule", "True", detail(source="ResourceAttribute", CausingEntity="Listener.ListenerArn", Name="ListenerArn")
    )
    possible = reasons([rule, listener, change("Group", "True", *BY_PARAMETER)], unknown=("Vpc",))
    assert set(possible) == {"Group", "Listener", "Rule"}
    assert possible["Rule"] == (
        "AWS knows the new value of ListenerArn only during the update, as it comes from Listener.ListenerArn."
    )
    assert reasons([rule, listener, change("Group", "True", *BY_PARAMETER)], unknown=()) == {}


def test_a_replacement_that_depends_on_the_value_is_possible() -> None:
    type_of = detail("Conditionally", Name="InstanceType")
    assert reasons([change("Server", "Conditional", type_of)], unknown=()) == {
        "Server": "It depends on the new value of InstanceType whether AWS replaces it."
    }


def test_a_nested_stack_that_may_not_change_says_so() -> None:
    automatic = {
        "Target": {"Attribute": "Properties", "RequiresRecreation": "Never"},
        "Evaluation": "Dynamic",
        "ChangeSource": "Automatic",
    }
    assert reasons([change("Fleet", "False", automatic)], unknown=()) == {
        "Fleet": "AWS knows whether anything changes only during the update."
    }


def test_a_change_that_replaces_nothing_is_certain_by_its_value() -> None:
    certain = detail("Never", Name="Timeout")
    given = detail("Never", source="ParameterReference", CausingEntity="Vpc", Name="VpcId")
    assert reasons([change("Server", "False", certain, given)], unknown=("Vpc",)) == {}
    assert set(reasons([change("Server", "False", given)], unknown=("Vpc",))) == {"Server"}


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = boto3.client("cloudformation", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    monkeypatch.setattr(cloudformation, "client", lambda _access, _service: made)
    with Stubber(made) as stub:
        yield stub


def answer(*changes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "ChangeSetId": "arn:aws:cloudformation:x",
        "Status": "CREATE_COMPLETE",
        "Changes": [{"Type": "Resource", "ResourceChange": each} for each in changes],
        **more,
    }


def test_all_levels_are_read_page_by_page_and_stand_instead_of_their_nested_stack(stubbed: Stubber) -> None:
    def nested(name: str, action: str = "Modify") -> dict[str, Any]:
        found = change(name, "False", action=action) | {"ResourceType": "AWS::CloudFormation::Stack"}
        return found | ({} if action == "Remove" else {"ChangeSetId": f"arn:aws:{name}"})

    stubbed.add_response(
        "describe_change_set", answer(nested("Fleet"), NextToken="1"), {"ChangeSetName": "arn:aws:root"}
    )
    stubbed.add_response(
        "describe_change_set",
        answer(nested("Gone", "Remove"), nested("Idle")),
        {"ChangeSetName": "arn:aws:root", "NextToken": "1"},
    )
    unknown = [{"ParameterKey": "Vpc", "ParameterValue": "{{IntrinsicFunction:shop/Net.Outputs.Vpc/Fn::GetAtt}}"}]
    stubbed.add_response(
        "describe_change_set",
        answer(change("Group", "True", *BY_PARAMETER), change("Alarm", "", action="Add"), Parameters=unknown),
        {"ChangeSetName": "arn:aws:Fleet"},
    )
    stubbed.add_response("describe_change_set", answer(Parameters=unknown), {"ChangeSetName": "arn:aws:Idle"})

    found = cloudformation.changes(None, change_set_id="arn:aws:root")  # type: ignore[arg-type]
    assert [(each.stack, each.logical_id, each.action, bool(each.possible)) for each in found] == [
        ("Fleet", "Group", "Modify", True),
        ("Fleet", "Alarm", "Add", False),
        ("", "Gone", "Remove", False),
        ("", "Idle", "Modify", False),
    ]
    stubbed.assert_no_pending_responses()
    assert replacements.unknown_parameters(unknown) == {"Vpc"}

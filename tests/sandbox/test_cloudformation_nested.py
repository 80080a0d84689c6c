"""Change sets look into nested stacks, level by level, as CloudFormation's do."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws import Aws
from sandbox.cloudformation_nested import PAGE
from tests.sandbox.conftest import eventually

pytestmark = pytest.mark.sandbox

MANY = PAGE + 3
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
FLEET = {
    "Parameters": {"Delay": {"Type": "String"}, "Many": {"Type": "String", "Default": "no"}},
    "Conditions": {"Many": {"Fn::Equals": [{"Ref": "Many"}, "yes"]}},
    "Resources": {
        "Jobs": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": {"Ref": "Delay"}}},
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}},
        **{f"More{n:02}": {"Type": "AWS::SQS::Queue", "Condition": "Many"} for n in range(MANY)},
    },
    "Outputs": {"Jobs": {"Value": {"Fn::GetAtt": ["Jobs", "QueueName"]}}},
}
TRIGGER = {
    "Parameters": {"Jobs": {"Type": "String", "AllowedPattern": "[a-zA-Z0-9-]+"}},
    "Resources": {
        "Copy": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "${Jobs}-copy"}}},
        "Plain": {"Type": "AWS::SQS::Queue"},
    },
}


@dataclass
class Local:
    aws: Aws
    cloudformation: Any

    def url(self, name: str, template: dict[str, Any]) -> str:
        self.aws.client("s3").put_object(Bucket="templates", Key=name, Body=json.dumps(template).encode())
        return f"{self.aws.endpoint}/templates/{name}"

    def root(self, fleet: dict[str, Any] = FLEET, trigger: dict[str, Any] = TRIGGER, **fleets: str) -> str:
        output = {"Fn::GetAtt": ["Fleet", "Outputs.Jobs"]}
        resources = {
            "Fleet": {"TemplateURL": self.url("fleet.json", fleet), "Parameters": {"Delay": "1", **fleets}},
            "Trigger": {"TemplateURL": self.url("trigger.json", trigger), "Parameters": {"Jobs": output}},
        }
        nested = {name: {"Type": "AWS::CloudFormation::Stack", "Properties": each} for name, each in resources.items()}
        return json.dumps({"Resources": {**nested, "Own": {"Type": "AWS::SQS::Queue"}}})

    def change_set(self, stack: str, template: str, *, create: bool = False, nested: bool = True) -> dict[str, Any]:
        made = self.cloudformation.create_change_set(
            StackName=stack,
            ChangeSetName=f"change-{secrets.token_hex(4)}",
            ChangeSetType="CREATE" if create else "UPDATE",
            TemplateBody=template,
            Capabilities=["CAPABILITY_IAM"],
            IncludeNestedStacks=nested,
        )
        return self.describe(made["Id"])

    def describe(self, change_set_id: str, **more: str) -> dict[str, Any]:
        found: dict[str, Any] = self.cloudformation.describe_change_set(ChangeSetName=change_set_id, **more)
        return found

    def execute(self, stack: str, change_set: dict[str, Any]) -> None:
        self.cloudformation.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
        eventually(lambda: self.status(stack).endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE")))

    def status(self, stack: str) -> str:
        found: str = self.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        return found


def of(change_set: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["ResourceChange"]["LogicalResourceId"]: each["ResourceChange"] for each in change_set["Changes"]}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    with Aws(tmp_path_factory.mktemp("aws")) as aws:
        aws.client("s3").create_bucket(Bucket="templates")
        yield Local(aws, aws.client("cloudformation"))


@pytest.fixture(scope="module")
def shop(local: Local) -> str:
    """A stack with two nested ones."""
    local.execute("shop", local.change_set("shop", local.root(), create=True))
    return "shop"


def test_a_creation_lists_what_is_in_the_nested_stacks(local: Local) -> None:
    root = local.change_set("fresh", local.root(), create=True)
    assert root["IncludeNestedStacks"]
    assert {name: each["Action"] for name, each in of(root).items()} == dict.fromkeys(
        ("Fleet", "Own", "Trigger"), "Add"
    )
    assert "ChangeSetId" not in of(root)["Own"]

    fleet = local.describe(of(root)["Fleet"]["ChangeSetId"])
    assert {name: each["Action"] for name, each in of(fleet).items()} == {"Jobs": "Add", "Role": "Add"}
    assert fleet["ChangeSetName"].startswith(f"{root['ChangeSetName']}-Fleet-")
    assert fleet["ParentChangeSetId"] == fleet["RootChangeSetId"] == root["ChangeSetId"]
    assert (fleet["Status"], fleet["ExecutionStatus"], fleet["StatusReason"]) == (
        "CREATE_COMPLETE",
        "UNAVAILABLE",
        "Executable from root change set",
    )

    with pytest.raises(ClientError, match="cannot be executed in its current status"):
        local.cloudformation.execute_change_set(ChangeSetName=fleet["ChangeSetId"])
    with pytest.raises(ClientError, match="root change set only"):
        local.cloudformation.delete_change_set(ChangeSetName=fleet["ChangeSetId"])
    local.cloudformation.delete_change_set(ChangeSetName=root["ChangeSetId"])
    with pytest.raises(ClientError, match="ChangeSetNotFound"):
        local.describe(fleet["ChangeSetId"])


def test_an_update_of_nothing_seems_to_change_what_is_given_by_another_stack(local: Local, shop: str) -> None:
    root = local.change_set(shop, local.root())
    assert set(of(root)) == {"Trigger"}
    trigger = local.describe(of(root)["Trigger"]["ChangeSetId"])
    assert set(of(trigger)) == {"Copy"}
    assert trigger["Parameters"] == [
        {"ParameterKey": "Jobs", "ParameterValue": "{{IntrinsicFunction:shop/Fleet.Outputs.Jobs/Fn::GetAtt}}"}
    ]
    local.cloudformation.delete_change_set(ChangeSetName=root["ChangeSetId"])


def test_an_update_of_nothing_has_no_changes_where_nothing_flows_between_stacks(local: Local) -> None:
    template = json.loads(local.root())
    del template["Resources"]["Trigger"]
    local.execute("plain", local.change_set("plain", json.dumps(template), create=True))
    root = local.change_set("plain", json.dumps(template))
    assert (root["Status"], root["Changes"]) == ("FAILED", [])
    assert "didn't contain changes" in root["StatusReason"]
    local.cloudformation.delete_change_set(ChangeSetName=root["ChangeSetId"])


def test_without_nested_stacks_each_of_them_may_change(local: Local, shop: str) -> None:
    root = local.change_set(shop, local.root(), nested=False)
    assert root["Status"] == "CREATE_COMPLETE"
    for name in ("Fleet", "Trigger"):
        change = of(root)[name]
        assert (change["Action"], change["Replacement"]) == ("Modify", "False")
        assert [(each["Evaluation"], each["ChangeSource"]) for each in change["Details"]] == [("Dynamic", "Automatic")]
        assert "ChangeSetId" not in change
    assert "Own" not in of(root)
    local.cloudformation.delete_change_set(ChangeSetName=root["ChangeSetId"])


def test_what_flows_from_one_nested_stack_to_another_seems_to_change(local: Local, shop: str) -> None:
    root = local.change_set(shop, local.root(Delay="2"))
    assert set(of(root)) == {"Fleet", "Trigger"}

    jobs = of(local.describe(of(root)["Fleet"]["ChangeSetId"]))
    assert set(jobs) == {"Jobs"}
    assert jobs["Jobs"]["Replacement"] == "False"
    assert {(each["Evaluation"], each["ChangeSource"]) for each in jobs["Jobs"]["Details"]} == {
        ("Dynamic", "DirectModification"),
        ("Static", "ParameterReference"),
    }

    (by_output,) = [each for each in of(root)["Trigger"]["Details"] if "CausingEntity" in each]
    assert by_output["CausingEntity"] == "Fleet.Outputs.Jobs"
    assert (by_output["Evaluation"], by_output["ChangeSource"]) == ("Dynamic", "ResourceAttribute")
    trigger = of(local.describe(of(root)["Trigger"]["ChangeSetId"]))
    assert {name: each["Replacement"] for name, each in trigger.items()} == {"Copy": "True"}
    assert "Jobs" in {each.get("CausingEntity") for each in trigger["Copy"]["Details"]}

    def copies() -> list[str]:
        found: list[str] = local.aws.client("sqs").list_queues(QueueNamePrefix="shop")["QueueUrls"]
        return [each for each in found if each.endswith("-copy")]

    before = copies()
    local.execute(shop, root)
    # It was possible, and does not happen.
    assert copies() == before
    local.execute(shop, local.change_set(shop, local.root()))


def test_a_change_of_the_nested_template_alone_is_automatic(local: Local, shop: str) -> None:
    fleet = {**FLEET, "Resources": {**FLEET["Resources"], "New": {"Type": "AWS::SQS::Queue"}}}  # type: ignore[dict-item]
    root = local.change_set(shop, local.root(fleet=fleet))
    details = of(root)["Fleet"]["Details"]
    assert [(each["Evaluation"], each["ChangeSource"]) for each in details] == [("Dynamic", "Automatic")]
    assert {name: each["Action"] for name, each in of(local.describe(of(root)["Fleet"]["ChangeSetId"])).items()} == {
        "New": "Add"
    }
    local.cloudformation.delete_change_set(ChangeSetName=root["ChangeSetId"])


def test_many_changes_come_page_by_page(local: Local, shop: str) -> None:
    root = local.change_set(shop, local.root(Many="yes"))
    fleet = of(root)["Fleet"]["ChangeSetId"]
    first = local.describe(fleet)
    assert len(first["Changes"]) == PAGE
    second = local.describe(fleet, NextToken=first["NextToken"])
    assert "NextToken" not in second
    assert len(set(of(first)) | set(of(second))) == MANY
    with pytest.raises(ClientError, match="Invalid token"):
        local.describe(fleet, NextToken="7")
    local.cloudformation.delete_change_set(ChangeSetName=root["ChangeSetId"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"Conditions": {"Has": {"Fn::Equals": [{"Ref": "Jobs"}, ""]}}}, "condition Has of the nested stack Trigger"),
        (
            {"Parameters": {"Jobs": {"Type": "AWS::SSM::Parameter::Value<String>"}}},
            "Unable to fetch parameters [{{IntrinsicFunction:unknown/Fleet.Outputs.Jobs/Fn::GetAtt}}]",
        ),
        (
            {
                "Resources": {
                    "Part": {
                        "Type": "AWS::SQS::Queue",
                        "Properties": {"QueueName": {"Fn::Select": [1, {"Fn::Split": ["-", {"Ref": "Jobs"}]}]}},
                    }
                }
            },
            "Fn::Select",
        ),
    ],
)
def test_what_needs_a_value_that_is_not_known_yet_fails_the_change_set(
    local: Local, more: dict[str, Any], said: str
) -> None:
    root = local.change_set("unknown", local.root(trigger={**TRIGGER, **more}), create=True)
    assert (root["Status"], root["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert said in root["StatusReason"]
    local.cloudformation.delete_change_set(ChangeSetName=root["ChangeSetId"])

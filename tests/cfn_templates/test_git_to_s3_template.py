"""What git_intgrtn_aws_s3_main.yaml promises on paper; test_git_to_s3_stack.py runs it."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint_file

from deployers import templates
from tests.cfn_templates.stack import GIT_TO_S3

LAMBDAS = Path(__file__).parent.parent.parent / "lambdas"
LARGEST_TEMPLATE_BODY = 51_200
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return templates.load(GIT_TO_S3)


def resources(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == kind}


def statements(value: Any) -> Iterator[dict[str, Any]]:
    """Every IAM statement anywhere below."""
    if isinstance(value, dict):
        if "Effect" in value:
            yield value
        for each in value.values():
            yield from statements(each)
    elif isinstance(value, list):
        for each in value:
            yield from statements(each)


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("AllowedIps", False),
        ("ApiSecret", True),
        ("AppPrivateKey", True),
        ("GitToken", True),
        ("OauthKey", False),
        ("OauthSecret", True),
        ("OutputBucketName", False),
        ("LambdaArtifactS3Bucket", False),
    ],
)
def test_parameters_of_the_reference_keep_their_name_type_and_secrecy(
    template: dict[str, Any], name: str, secret: bool
) -> None:
    parameter = template["Parameters"][name]

    assert parameter["Type"] == "String"
    assert bool(parameter.get("NoEcho")) is secret


@pytest.mark.parametrize("name", ["GitPullWebHookApi", "ZipDownloadWebHookApi", "OutputBucketName", "PublicSSHKey"])
def test_outputs_of_the_reference_keep_their_name(template: dict[str, Any], name: str) -> None:
    assert name in template["Outputs"]


def test_nothing_that_is_secret_is_shown_or_has_a_default(template: dict[str, Any]) -> None:
    for name, parameter in template["Parameters"].items():
        if name.endswith("Secret") or name in ("ApiSecretPrevious", "GitToken"):
            assert parameter["NoEcho"] is True
            assert parameter["Default"] == ""
    secret = {name for name, parameter in template["Parameters"].items() if parameter.get("NoEcho")}
    assert not [name for name in secret if name in json.dumps(template["Outputs"])]


def test_cfn_lint_finds_nothing_in_the_source_and_in_what_is_published(tmp_path: Path) -> None:
    published = tmp_path / templates.published_name(GIT_TO_S3)
    published.write_bytes(templates.render(GIT_TO_S3))

    for path in (templates.DIRECTORY / GIT_TO_S3, published):
        assert [str(match) for match in lint_file(path)] == []


def test_fits_into_a_request_as_source_and_as_published() -> None:
    assert len((templates.DIRECTORY / GIT_TO_S3).read_bytes()) < LARGEST_TEMPLATE_BODY
    assert len(templates.render(GIT_TO_S3)) < LARGEST_TEMPLATE_BODY


def test_every_parameter_is_described_labelled_and_in_one_group(template: dict[str, Any]) -> None:
    interface = template["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]

    assert sorted(grouped) == sorted(template["Parameters"])
    assert sorted(interface["ParameterLabels"]) == sorted(template["Parameters"])
    assert all(parameter["Description"] for parameter in template["Parameters"].values())


def test_every_constrained_parameter_says_what_it_must_be(template: dict[str, Any]) -> None:
    for name, parameter in template["Parameters"].items():
        if "AllowedPattern" in parameter:
            assert parameter["ConstraintDescription"].startswith("must be "), name


def test_every_output_is_described(template: dict[str, Any]) -> None:
    assert all(output["Description"] for output in template["Outputs"].values())


def test_no_permission_is_wider_than_it_could_be(template: dict[str, Any]) -> None:
    found = list(statements(template["Resources"]))
    assert len(found) > 20

    for statement in found:
        actions = as_list(statement["Action"])
        if statement["Effect"] == "Deny":
            continue
        assert not [action for action in actions if "*" in action]
        own_key_policy = statement.get("Sid") == "IamDecidesWithinTheAccount"
        assert own_key_policy or "*" not in as_list(statement.get("Resource", "none"))
        assert "NotAction" not in statement
        assert "NotResource" not in statement


def test_nothing_but_log_groups_and_the_bucket_can_have_a_fixed_name(template: dict[str, Any]) -> None:
    names = {"RoleName", "FunctionName", "AlarmName", "QueueName", "TableName", "ManagedPolicyName", "Name"}

    for name, resource in template["Resources"].items():
        if resource["Type"] in ("AWS::Lambda::EventSourceMapping", "AWS::Lambda::Permission", "AWS::ApiGatewayV2::Api"):
            continue
        assert not names & set(resource["Properties"]), name


def test_a_message_stays_hidden_six_times_as_long_as_its_function_may_run(template: dict[str, Any]) -> None:
    queues = resources(template, "AWS::SQS::Queue")
    functions = resources(template, "AWS::Lambda::Function")
    sources = resources(template, "AWS::Lambda::EventSourceMapping")
    assert sources

    for source in sources.values():
        queue = queues[source["EventSourceArn"]["Fn::GetAtt"][0]]
        function = functions[source["FunctionName"]["Ref"]]
        assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_workers_know_which_attempt_is_the_last(template: dict[str, Any]) -> None:
    queues = resources(template, "AWS::SQS::Queue")

    for function in resources(template, "AWS::Lambda::Function").values():
        variables = function.get("Environment", {}).get("Variables", {})
        if "QUEUE_URL" in variables:
            redrive = queues[variables["QUEUE_URL"]["Ref"]]["RedrivePolicy"]
            assert variables["MAX_RECEIVE_COUNT"] == str(redrive["maxReceiveCount"])


def environment_names(folder: Path) -> set[str]:
    """What `required`, `optional`, `integer` and `boolean` are asked for below a folder."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("required", "optional", "integer", "boolean")
                and isinstance(node.args[0], ast.Constant)
            ):
                names.add(str(node.args[0].value))
    return names


def test_each_function_gets_the_environment_that_it_reads_and_nothing_else(template: dict[str, Any]) -> None:
    functions = resources(template, "AWS::Lambda::Function")
    assert functions

    for function in functions.values():
        package = function["Code"]["S3Key"]["Fn::Sub"].rpartition("/")[2].removesuffix(".zip")
        module = "start" if (LAMBDAS / package / "start.py").exists() else "handler"
        assert function["Handler"] == f"lambdas.{package}.{module}.handler"
        assert set(function.get("Environment", {}).get("Variables", {})) == environment_names(LAMBDAS / package)


def test_a_silent_custom_resource_fails_after_a_minute_unless_it_empties_a_bucket(template: dict[str, Any]) -> None:
    custom = [each for each in template["Resources"].values() if each["Type"].startswith("Custom::")]
    assert len(custom) == 4

    for each in custom:
        function = each["Properties"]["ServiceToken"]["Fn::GetAtt"][0]
        seconds = template["Resources"][function]["Properties"]["Timeout"]
        if each["Type"] == "Custom::BucketContents":
            # As long as AWS waits: a large bucket takes several calls of the function, each as long as one may be.
            assert (each["Properties"]["ServiceTimeout"], seconds) == (3600, 900)
        else:
            assert each["Properties"]["ServiceTimeout"] == 60
            assert seconds < 60


def test_a_function_that_empties_buckets_may_call_itself_until_they_are_gone(template: dict[str, Any]) -> None:
    permission = template["Resources"]["DeleteBucketContentsPermission"]["Properties"]
    assert permission["FunctionName"] == {"Ref": "DeleteBucketContentsFunction"}
    assert permission["Principal"] == {"Fn::GetAtt": ["DeleteBucketContentsRole", "Arn"]}
    contents = resources(template, "Custom::BucketContents")
    assert contents
    waiting = [each["DependsOn"] for each in template["Resources"].values() if each["Type"] == "Custom::BucketContents"]
    assert waiting == ["DeleteBucketContentsPermission"] * len(contents)


def test_buckets_are_private_encrypted_and_reached_over_tls_only(template: dict[str, Any]) -> None:
    buckets = resources(template, "AWS::S3::Bucket")
    policies = {each["Bucket"]["Ref"]: each for each in resources(template, "AWS::S3::BucketPolicy").values()}
    assert set(buckets) == {"OutputBucket", "CacheBucket"} == set(policies)

    for name, bucket in buckets.items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["BucketEncryption"]
        (statement,) = policies[name]["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Deny"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert buckets["OutputBucket"]["VersioningConfiguration"] == {"Status": "Enabled"}


def test_a_replaced_resource_never_takes_artifacts_or_keys_with_it(template: dict[str, Any]) -> None:
    for name in ("OutputBucket", "Key", "SSHKeySecret", "DeliveriesTable"):
        assert template["Resources"][name]["UpdateReplacePolicy"] == "Retain"


def test_how_many_webhooks_are_taken_is_low_and_can_be_set(template: dict[str, Any]) -> None:
    [stage] = resources(template, "AWS::ApiGatewayV2::Stage").values()

    assert stage["DefaultRouteSettings"] == {
        "ThrottlingBurstLimit": {"Ref": "ThrottleBurst"},
        "ThrottlingRateLimit": {"Ref": "ThrottleRate"},
    }
    assert [template["Parameters"][name]["Default"] for name in ("ThrottleBurst", "ThrottleRate")] == [40, 20]

"""The role by which the panel gets into an account: all that it needs, nothing else, within IAM's limits."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from deployers import access_needs, catalog, templates
from deployers.policies.statements import as_list, statements

SOURCE = access_needs.TEMPLATE
DIRECTORY = Path(templates.__file__).parent / "aws"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: without blanks
MOST_CHARACTERS, MOST_POLICIES = 6144, 10
LONGEST = {
    "AWS::Partition": "aws-us-gov",
    "AWS::AccountId": "1" * 12,
    "RoleName": "R" * 64,
    "ArtifactBuckets": "b" * 63,
}
OF_KIND = {kind: set(names) for kind, names in access_needs.POLICIES.items()}


def policies() -> dict[str, dict[str, Any]]:
    found = templates.load(SOURCE)["Resources"]
    return {name: each for name, each in found.items() if each["Type"] == "AWS::IAM::ManagedPolicy"}


def allowed(names: set[str]) -> set[str]:
    return {
        action
        for name in names
        for statement in statements(policies()[name]["Properties"]["PolicyDocument"])
        for action in as_list(statement["Action"])
    }


def rendered(value: Any) -> Any:
    """With the longest value of each parameter."""
    if isinstance(value, list):
        return [rendered(each) for each in value]
    if isinstance(value, dict):
        if "Fn::Sub" in value:
            return re.sub(r"\$\{([^}]+)\}", lambda found: LONGEST[found[1]], value["Fn::Sub"])
        return {name: rendered(each) for name, each in value.items()}
    return value


def test_each_policy_fits_iams_limits_with_the_longest_values() -> None:
    sizes = {
        name: len(json.dumps(rendered(policy["Properties"]["PolicyDocument"]), separators=(",", ":")))
        for name, policy in policies().items()
    }
    assert max(sizes.values()) <= MOST_CHARACTERS, sizes
    assert len(sizes) <= MOST_POLICIES
    assert {each["Properties"]["Roles"][0]["Ref"] for each in policies().values()} == {"Role"}


@pytest.mark.parametrize("kind", OF_KIND)
def test_each_deployer_has_all_that_it_needs(kind: str) -> None:
    assert access_needs.needs(kind) - allowed(OF_KIND[kind]) == set()


@pytest.mark.parametrize(
    ("condition", "kinds"),
    [
        (None, [catalog.GIT.kind]),
        ("HasCodeDeploy", [catalog.GIT.kind, catalog.CODEDEPLOY.kind]),
        ("HasEcs", [catalog.GIT.kind, catalog.ECS.kind]),
    ],
)
def test_nothing_is_allowed_that_nothing_needs(condition: str | None, kinds: list[str]) -> None:
    names = {name for name, each in policies().items() if each.get("Condition") in {None, condition}}
    needed = {action for kind in kinds for action in access_needs.needs(kind)} | set(access_needs.CHECK.split())
    # Functions, roles and stacks come with each kind, and some of what they need only with some of them.
    shared = {action for kind in OF_KIND for action in access_needs.needs(kind)}
    own = allowed({name for name in names if policies()[name].get("Condition") == condition and condition})
    assert own - needed == set()
    assert allowed(names) - needed - shared == set()


def test_the_role_cannot_change_itself() -> None:
    parameters = templates.load(SOURCE)["Parameters"]
    name = re.compile(parameters["RoleName"]["AllowedPattern"])
    assert name.fullmatch(parameters["RoleName"]["Default"])
    assert not name.fullmatch("sluice-x")
    changing = re.compile(r"iam:(Create|Delete|Put|Update|Attach|Detach|Add|Remove|Tag|Untag|Pass)")
    for policy in policies().values():
        for statement in statements(policy["Properties"]["PolicyDocument"]):
            if any(changing.match(action) for action in as_list(statement["Action"])):
                for resource in as_list(statement["Resource"]):
                    assert re.search(
                        r":(role|policy|instance-profile)/(sluice-|aws-service-role/)", resource["Fn::Sub"]
                    )


def test_roles_are_passed_to_named_services_only() -> None:
    passed = [
        statement
        for policy in policies().values()
        for statement in statements(policy["Properties"]["PolicyDocument"])
        if "iam:PassRole" in as_list(statement["Action"])
    ]
    assert passed
    assert all(each["Condition"]["StringEquals"]["iam:PassedToService"] for each in passed)


def test_only_who_knows_the_external_id_is_trusted() -> None:
    role = templates.load(SOURCE)["Resources"]["Role"]["Properties"]
    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"AWS": {"Ref": "PanelPrincipal"}}
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}}}


# The calls whose permission has another name:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
PERMISSIONS = {
    "lambda:Invoke": ["lambda:InvokeFunction"],
    "s3:DeleteObjects": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
    "s3:HeadBucket": ["s3:ListBucket"],
    "s3:HeadObject": ["s3:GetObject"],
    "s3:ListMultipartUploads": ["s3:ListBucketMultipartUploads"],
    "s3:ListObjectVersions": ["s3:ListBucketVersions"],
    "s3:PutPublicAccessBlock": ["s3:PutBucketPublicAccessBlock"],
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_servicequotas.html
    "service-quotas:GetServiceQuota": ["servicequotas:GetServiceQuota"],
}
_CLIENT = re.compile(r'client\(\s*access,\s*"([a-z0-9-]+)"')


def calls() -> Iterator[str]:
    """Every call to AWS in `deployers.aws`: each name of an operation of a service that the module has a client of."""
    session = botocore.session.get_session()
    for path in sorted(DIRECTORY.glob("*.py")):
        text = path.read_text()
        words = {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
        words |= {
            node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant) and str(node.value)
        }
        for service in set(_CLIENT.findall(text)):
            model = session.get_service_model(service)
            for operation in model.operation_names:
                if xform_name(operation) in words:
                    yield f"{service}:{operation}"


def test_every_call_of_the_panel_is_allowed() -> None:
    made = set(calls())
    assert {"cloudformation:CreateChangeSet", "s3:HeadBucket", "ec2:DescribeVpcs", "ecr:ListImages"} <= made
    needed = {permission for call in made for permission in PERMISSIONS.get(call, [call])}
    everything = allowed(set(policies()))
    assert needed - everything == set()
    assert needed <= {each for kind in OF_KIND for each in access_needs.needs(kind)} | set(access_needs.CHECK.split())

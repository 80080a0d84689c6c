"""Each statement of the connected role is needed, and on the names that our templates' resources really get."""

import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from deployers import access_needs, catalog, templates
from deployers.policies.statements import as_list, statements

VALUES = {
    "AWS::Partition": "aws",
    "AWS::AccountId": "1" * 12,
    "AWS::Region": "eu-west-1",
    "RoleName": "SluiceAccess",
    "ArtifactBuckets": "acme-zips-*",
}
SHARED = {
    # What Check looks for. A role that is not there has no path, so that IAM is asked about its bare name.
    (
        "iam:GetRole",
        "arn:aws:iam::111111111111:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
    ),
    ("iam:GetRole", "arn:aws:iam::111111111111:role/AWSServiceRoleForECS"),
    # An API is posted to the collection, its stages and routes to itself, its tags to the tags of its ARN:
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonapigatewaymanagementv2.html
    ("apigateway:POST", "arn:aws:apigateway:eu-west-1::/apis"),
    ("apigateway:POST", "arn:aws:apigateway:eu-west-1::/apis/a1b2c3/stages"),
    ("apigateway:PUT", "arn:aws:apigateway:eu-west-1::/tags/arn%3Aaws%3Aapigateway%3Aeu-west-1%3A%3A%2Fapis%2Fa1b2c3"),
}
"""Calls whose action several statements allow, each on resources of its own."""


def rendered(resource: Any) -> str:
    if isinstance(resource, str):
        return resource
    return re.sub(r"\$\{([^}]+)\}", lambda found: VALUES[found[1]], resource["Fn::Sub"])


def all_statements() -> dict[str, dict[str, Any]]:
    """By the policy's name and their number in it."""
    return {
        f"{name} {number}": statement
        for name, each in templates.load(access_needs.TEMPLATE)["Resources"].items()
        if each["Type"] == "AWS::IAM::ManagedPolicy"
        for number, statement in enumerate(statements(each["Properties"]["PolicyDocument"]))
    }


STATEMENTS = all_statements()


def allowing(action: str, arn: str) -> list[str]:
    return [
        name
        for name, each in STATEMENTS.items()
        if action in as_list(each["Action"])
        and any(fnmatchcase(arn, rendered(resource)) for resource in as_list(each["Resource"]))
    ]


@pytest.mark.parametrize("name", STATEMENTS)
def test_without_the_statement_something_that_is_needed_would_be_denied(name: str) -> None:
    """An action that no other statement allows, or a call on a resource that no other does."""
    needed = {action for kind in catalog.KINDS for action in access_needs.needs(kind)}
    needed |= set(access_needs.CHECK.split())
    condition = STATEMENTS[name].get("Condition")
    # A statement under another condition allows other calls of the same action.
    others = [
        each for other, each in STATEMENTS.items() if other != name and each.get("Condition") in (None, condition)
    ]
    elsewhere = {action for each in others for action in as_list(each["Action"])}
    only_here = (set(as_list(STATEMENTS[name]["Action"])) & needed) - elsewhere
    calls_only_here = [call for call in SHARED if allowing(*call) == [name]]
    assert only_here or calls_only_here


@pytest.mark.parametrize("call", sorted(SHARED))
def test_each_of_the_shared_calls_is_allowed_by_one_statement(call: tuple[str, str]) -> None:
    assert len(allowing(*call)) == 1


def logical_ids(kind: str) -> set[str]:
    """Of all resources of the type in the three templates and in those that they are made of."""
    sources = {source for each in catalog.KINDS.values() for source in (each.template, *each.nested)}
    return {
        name
        for source in sources
        for name, resource in templates.load(source)["Resources"].items()
        if resource["Type"] == kind and "Name" not in resource["Properties"]
    }


@pytest.mark.parametrize(
    ("kind", "of"),
    [
        ("AWS::SecretsManager::Secret", "secretsmanager:*:111111111111:secret:"),
        ("AWS::CodeBuild::Project", "codebuild:*:111111111111:project/"),
    ],
)
def test_what_is_named_by_its_logical_id_is_allowed_by_that_and_nothing_else_is(kind: str, of: str) -> None:
    """CloudFormation leaves the stack out of these names, which no page of AWS's says: both forms are allowed."""
    prefix = f"arn:aws:{of}"
    named = {
        rendered(resource).removeprefix(prefix)
        for each in STATEMENTS.values()
        for resource in as_list(each["Resource"])
        if rendered(resource).startswith(prefix)
    }
    assert named == {f"{name}-*" for name in logical_ids(kind)} | {"sluice-*"}


def test_tags_of_an_api_are_the_only_tags_that_are_put_to_an_arn() -> None:
    """Our APIs get the tags of their stack, and only `apigateway` puts tags to `/tags/<ARN>`."""
    assert logical_ids("AWS::ApiGatewayV2::Stage")
    [name] = [name for name, each in STATEMENTS.items() if "/tags/" in rendered(as_list(each["Resource"])[0])]
    assert set(as_list(STATEMENTS[name]["Action"])) == {"apigateway:PUT", "apigateway:DELETE"}

"""What AWS asks of whoever makes a resource through CloudFormation: the stack's service role, or else the caller.

`data/cloudformation_permissions.json` holds, for each resource type of Sluice's templates, the permissions that AWS
publishes in the type's registry schema (`handlers.*.permissions`, `tagging.permissions`); its `about` says which
snapshot it is. Two types have no handlers there: CloudFormation makes them with the calls listed here.

https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html#schema-properties-handlers
"""

import json
from functools import cache
from pathlib import Path

DATA = Path(__file__).resolve().parent / "data" / "cloudformation_permissions.json"

OPERATIONS = ("create", "read", "update", "delete", "tagging")

# The calls that change the resource, and those by which CloudFormation waits for the change:
# https://docs.aws.amazon.com/codebuild/latest/APIReference/API_Operations.html
# https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html
_WITHOUT_HANDLERS = {
    "AWS::CodeBuild::Project": {
        "create": ["codebuild:CreateProject", "iam:PassRole"],
        "read": ["codebuild:BatchGetProjects"],
        "update": ["codebuild:UpdateProject", "iam:PassRole"],
        "delete": ["codebuild:DeleteProject"],
    },
    "AWS::Route53::RecordSet": {
        "create": ["route53:ChangeResourceRecordSets", "route53:GetChange", "route53:GetHostedZone"],
        "read": ["route53:ListResourceRecordSets"],
        "update": ["route53:ChangeResourceRecordSets", "route53:GetChange", "route53:GetHostedZone"],
        "delete": ["route53:ChangeResourceRecordSets", "route53:GetChange", "route53:GetHostedZone"],
    },
}


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    published: dict[str, dict[str, list[str]]] = json.loads(DATA.read_text(encoding="utf-8"))["types"]
    return published | _WITHOUT_HANDLERS


def kinds() -> frozenset[str]:
    """The resource types of the table, such as `AWS::ECS::Service`."""
    return frozenset(_table())


def permissions(kind: str, operation: str) -> frozenset[str]:
    """What the handler of this type may need for one of OPERATIONS, as `service:Action` (which may end in `*`).

    Empty for an operation that the type does not have. Raises KeyError for a type outside the table.
    """
    return frozenset(_table()[kind].get(operation, ()))

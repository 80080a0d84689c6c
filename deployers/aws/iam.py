"""What a role or a user may do, asked without doing it. Only read.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client
from deployers.errors import NotFoundAtAws


@dataclass(frozen=True, slots=True)
class Ask:
    """Whether these actions are allowed on this resource, in a request with these condition keys."""

    actions: tuple[str, ...]
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def denied(access: Access, principal: str, asks: Collection[Ask]) -> set[str]:
    """Which of the actions the policies of `principal` (ARN of a role or user) and its boundary do not allow.

    Raises the errors of AWS, AccessDenied among them: who asks needs `iam:SimulatePrincipalPolicy` on the principal.
    """
    found: set[str] = set()
    for ask in asks:
        for result in _simulate(access, principal, ask):
            if result["EvalDecision"] != "allowed":
                found.add(str(result["EvalActionName"]))
    return found


def _simulate(access: Access, principal: str, ask: Ask) -> Iterator[Mapping[str, Any]]:
    entries = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in ask.context.items()
    ]
    with aws_faults():
        pages = client(access, "iam").get_paginator("simulate_principal_policy")
        for page in pages.paginate(
            PolicySourceArn=principal,
            ActionNames=list(ask.actions),
            ResourceArns=[ask.resource],
            ContextEntries=entries,
        ):
            yield from page["EvaluationResults"]


@dataclass(frozen=True, slots=True)
class Role:
    """A role's ARN, with its path, and its tags."""

    arn: str
    tags: Mapping[str, str]


def role(access: Access, name: str) -> Role | None:
    """The role of this name; None if there is none. Raises the errors of AWS."""
    try:
        with aws_faults():
            found = client(access, "iam").get_role(RoleName=name)["Role"]
    except NotFoundAtAws:
        return None
    return Role(found["Arn"], {each["Key"]: each["Value"] for each in found.get("Tags", [])})

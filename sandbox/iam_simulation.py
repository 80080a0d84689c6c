"""SimulatePrincipalPolicy as IAM answers it: every resource, with the given condition keys and within the boundary.

MiniStack looks at the first resource only, at no condition keys and no boundary, and denies whom it does not know.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

# MiniStack offers no hooks: what it gets wrong is replaced where it stands.
# ruff: noqa: SLF001

from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from sandbox.hooks import replace

_WORDS = {"Allow": "allowed", "Deny": "explicitDeny"}


def install() -> None:
    """Change MiniStack in this process; call before it serves."""
    from ministack.services import iam

    replace(iam._IAM_HANDLERS, "SimulatePrincipalPolicy", lambda _: _simulate)


def _simulate(params: Mapping[str, Any]) -> Any:
    from ministack.core import iam_evaluator
    from ministack.core.responses import get_account_id
    from ministack.services import iam

    account, principal = get_account_id(), iam._p(params, "PolicySourceArn")
    kind, _, path = principal.rpartition(":")[2].partition("/")
    name = path.rpartition("/")[2]
    known = {"role": iam._roles, "user": iam._users}.get(kind)
    if known is None or known.get_scoped(account, None, name) is None:
        return iam._error(404, "NoSuchEntity", f"The {kind} with name {name} cannot be found.", ns="iam")
    gather = iam_evaluator._gather_role_policies if kind == "role" else iam_evaluator._gather_user_policies
    policies, limits = gather(name, account), iam_evaluator._permissions_boundary(known, name, account)
    context = dict(_context(params))
    found = ""
    for action in _members(params, "ActionNames"):
        for resource in list(_members(params, "ResourceArns")) or ["*"]:
            asked = iam_evaluator.EvalContext(
                principal_arn=principal,
                principal_type="User" if kind == "user" else "AssumedRole",
                principal_account=account,
                action=action,
                resource_arn=resource,
                region=_region(resource),
                service_context=context,
            )
            decision = iam_evaluator.evaluate(asked, policies, *limits).decision
            found += (
                f"<member><EvalActionName>{escape(action)}</EvalActionName>"
                f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
                f"<EvalDecision>{_WORDS.get(decision, 'implicitDeny')}</EvalDecision>"
                "<MatchedStatements></MatchedStatements><MissingContextValues></MissingContextValues></member>"
            )
    return iam._xml(
        200,
        "SimulatePrincipalPolicyResponse",
        f"<SimulatePrincipalPolicyResult><EvaluationResults>{found}</EvaluationResults>"
        "<IsTruncated>false</IsTruncated></SimulatePrincipalPolicyResult>",
        ns="iam",
    )


def _members(params: Mapping[str, Any], name: str) -> Iterator[str]:
    from ministack.services import iam

    number = 1
    while value := iam._p(params, f"{name}.member.{number}"):
        yield value
        number += 1


def _context(params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    from ministack.services import iam

    number = 1
    while key := iam._p(params, f"ContextEntries.member.{number}.ContextKeyName"):
        values = list(_members(params, f"ContextEntries.member.{number}.ContextKeyValues"))
        yield key.lower(), values[0] if len(values) == 1 else values
        number += 1


def _region(resource: str) -> str:
    from ministack.core.responses import get_region

    parts = resource.split(":", 4)
    return parts[3] if len(parts) == 5 and parts[3] else str(get_region())

"""Who acts in an operation on a stack: the stack's service role, or else the caller.

A role, once given, stays the stack's, and acts also for callers who may not pass it.
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_UpdateStack.html (RoleARN)
"""

# MiniStack offers no hooks: its own stores are used where they stand.
# ruff: noqa: SLF001

import contextvars
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam
from ministack.services.cloudformation import _change_sets, _stacks, handlers, helpers

from sandbox.cloudformation_iam import deciding
from sandbox.cloudformation_iam.arns import arn_of_object

OPERATIONS = (
    "CreateStack",
    "UpdateStack",
    "DeleteStack",
    "CreateChangeSet",
    "ExecuteChangeSet",
    "ContinueUpdateRollback",
    "RollbackStack",
)
_SERVICE = "cloudformation.amazonaws.com"
_TRUST = "sts:AssumeRole"
Call = Callable[[dict[str, Any]], Any]


class CannotActAs(ValueError):
    """The role is gone, or does not trust CloudFormation; the message is AWS's."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts.

    Attributes:
        role_arn: the service role; empty for the caller.
        access_key_id: the caller's; empty for the account's root user.
        credential: of that key, as it was when the operation began: its session may end before the operation does.
    """

    role_arn: str = ""
    access_key_id: str = ""
    credential: Any = None

    def principal(self) -> iam_evaluator.PrincipalInfo:
        """With its policies as they are now. Raises CannotActAs."""
        account = get_account_id()
        if self.role_arn:
            return _as_role(self.role_arn, account)
        found = iam_evaluator.resolve_principal(self.access_key_id, account, self.credential)
        if isinstance(found, iam_evaluator.AuthError):
            raise CannotActAs(found.message)
        return found


_acting: contextvars.ContextVar[Actor | None] = contextvars.ContextVar("cloudformation_actor", default=None)


def actor() -> Actor | None:
    """Who acts in the operation that runs; None outside of operations. Tasks and threads of it inherit this."""
    return _acting.get()


def _as_role(arn: str, account: str) -> iam_evaluator.PrincipalInfo:
    name = arn.rsplit("/", 1)[-1]
    role = iam._roles.get(name)
    if role is None or role["Arn"] != arn or not _trusts_cloudformation(role):
        raise CannotActAs(f"Role {arn} is invalid or cannot be assumed")
    session = f"arn:aws:sts::{account}:assumed-role/{name}/AWSCloudFormation"
    tags = {f"aws:principaltag/{each['Key']}".lower(): each["Value"] for each in role.get("Tags") or []}
    return iam_evaluator.PrincipalInfo(
        arn=session,
        type="AssumedRole",
        account=account,
        policies=iam_evaluator._gather_role_policies(name, account),
        keys={"aws:userid": f"{role['RoleId']}:AWSCloudFormation", **tags},
        limits=iam_evaluator._permissions_boundary(iam._roles, name, account),
    )


def _trusts_cloudformation(role: dict[str, Any]) -> bool:
    """CloudFormation is not documented to fill `aws:SourceAccount` or `aws:SourceArn`, so a condition on them fails.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html
    """
    context = iam_evaluator.EvalContext(
        principal_arn=_SERVICE,
        principal_type="Service",
        principal_account="",
        action=_TRUST,
        resource_arn="*",
        region=get_region(),
        secure_transport=True,
    )
    document = role["AssumeRolePolicyDocument"]
    decided = iam_evaluator.evaluate_resource_policy(document, context, service=_SERVICE)
    return bool(decided.decision == "Allow")


def acting_as(operation: str) -> Callable[[Call], Call]:
    """Wrap the handler of a request: the operation that it starts acts as the right one, or is refused."""

    def wrap(act: Call) -> Call:
        def act_as(params: dict[str, Any]) -> Any:
            given = helpers._p(params, "RoleARN")
            stack = handlers._resolve_stack(helpers._p(params, "StackName")) or {}
            try:
                caller = _caller()
                if refused := _refused(caller, given, helpers._p(params, "TemplateURL")):
                    return refused
            except CannotActAs as error:
                return helpers._error("ValidationError", str(error))
            role = given or _role_of_change_set(operation, params, stack) or _role_of(operation, stack)
            token = _acting.set(Actor(role_arn=role) if role else caller)
            try:
                answer = act(params)
            finally:
                _acting.reset(token)
            if role and answer[0] == 200:
                _keep(operation, params, role)
            return answer

        return act_as

    return wrap


def _caller() -> Actor:
    """The caller of the request that is served. Its signature was verified before; root's is not."""
    key = iam_evaluator._verified_key.get()
    if not key:
        if not iam_evaluator.caller_arn().endswith(":root"):
            raise CannotActAs("The local AWS does not know who calls.")
        return Actor()
    credential = iam_evaluator.resolve_credential(key, get_account_id())
    known = not isinstance(credential, iam_evaluator.CredentialResolutionError)
    return Actor(access_key_id=key, credential=credential if known else None)


def _refused(caller: Actor, role: str, template_url: str) -> Any:
    """The answer to a caller who may not pass the role, or read the template. Raises CannotActAs."""
    principal = caller.principal()
    if role:
        keys = {"iam:passedtoservice": _SERVICE}
        if found := deciding.refusal(principal, "iam:PassRole", role, keys):
            return helpers._error("AccessDenied", found.said, 403)
        _as_role(role, get_account_id())
    if template_url and deciding.refusal(principal, "s3:GetObject", arn_of_object(template_url), {}):
        return helpers._error("ValidationError", "S3 error: Access Denied")
    return None


def _role_of(operation: str, stack: dict[str, Any]) -> str:
    """A name may be used again: the role is the stack's, and not the next one's."""
    return "" if operation == "CreateStack" else str(stack.get("RoleARN", ""))


def _role_of_change_set(operation: str, params: dict[str, Any], stack: dict[str, Any]) -> str:
    if operation != "ExecuteChangeSet":
        return ""
    return str((_change_set(helpers._p(params, "ChangeSetName"), stack) or {}).get("RoleARN", ""))


def _change_set(name_or_id: str, stack: dict[str, Any]) -> dict[str, Any] | None:
    for change_set_id, found in _change_sets.items():
        of_stack = not stack or found["StackId"] == stack["StackId"]
        if name_or_id == change_set_id or (name_or_id == found["ChangeSetName"] and of_stack):
            known: dict[str, Any] = found
            return known
    return None


def _keep(operation: str, params: dict[str, Any], role: str) -> None:
    stack = handlers._resolve_stack(helpers._p(params, "StackName"))
    if operation == "CreateChangeSet":
        if found := _change_set(helpers._p(params, "ChangeSetName"), stack or {}):
            found["RoleARN"] = role
    elif stack:
        stack["RoleARN"] = role


def telling_the_role(describe: Call) -> Call:
    """DescribeStacks tells the role of a stack that has one.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Stack.html
    """

    def describe_with_roles(params: dict[str, Any]) -> Any:
        status, headers, body = describe(params)
        for stack in _stacks.values():
            if role := stack.get("RoleARN"):
                told = f"<StackId>{stack['StackId']}</StackId>".encode()
                body = body.replace(told, told + f"<RoleARN>{role}</RoleARN>".encode())
        return status, headers, body

    return describe_with_roles

"""Whoever acts must be allowed to read the SSM parameters that a stack's parameters name.

CloudFormation looks them up with the caller's permissions, or the service role's, before anything is made, and again
at each update. The template's parameter is of a type `AWS::SSM::Parameter::Value<...>`:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-supplied-parameter-types.html
https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters.html (their ARNs)
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ministack.core.responses import get_account_id, get_region

from sandbox.cloudformation_iam import acting, deciding
from sandbox.hooks import replace

_TYPE = "AWS::SSM::Parameter::Value<"
_ACTION = "ssm:GetParameters"
Resolve = Callable[..., Any]


def install() -> None:
    """Change MiniStack in this process."""
    from ministack.services.cloudformation import changesets, handlers

    # Both modules hold the function by name. A nested stack gets names that its parent's template passes on.
    for module in (changesets, handlers):
        replace(module, "_resolve_parameters", _resolving)


def _resolving(resolve: Resolve) -> Resolve:
    def resolve_if_allowed(
        template: Mapping[str, Any], provided: Sequence[Mapping[str, Any]], previous: Mapping[str, Any] | None = None
    ) -> Any:
        actor = acting.actor()
        if actor is not None:
            try:
                principal = actor.principal()
            except acting.CannotActAs as error:
                raise ValueError(str(error)) from error
            for name in names(template, provided, previous or {}):
                if refused := deciding.refusal(principal, _ACTION, _arn(name), {}):
                    raise ValueError(f"{refused.said} (Service: Ssm, Status Code: 400)")
        return resolve(template, provided, previous)

    return resolve_if_allowed


def names(template: Mapping[str, Any], provided: Sequence[Mapping[str, Any]], previous: Mapping[str, Any]) -> list[str]:
    """The SSM parameters that the template's parameters name with these values."""
    given = {each["Key"]: each for each in provided if "Key" in each}
    found = []
    for name, declared in template.get("Parameters", {}).items():
        if not str(declared.get("Type", "")).startswith(_TYPE):
            continue
        entry = given.get(name, {})
        kept = previous.get(name)
        if entry.get("UsePreviousValue") and isinstance(kept, Mapping) and kept.get("SsmName"):
            found.append(str(kept["SsmName"]))
        else:
            found.append(str(entry.get("Value") or declared.get("Default") or ""))
    return [each for each in found if each]


def _arn(name: str) -> str:
    account = "" if name.startswith("/aws/") else get_account_id()
    return f"arn:aws:ssm:{get_region()}:{account}:parameter/{name.lstrip('/')}"

"""The resource on which IAM checks a direct call, where MiniStack names another one.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudformation.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
"""

# MiniStack offers no hooks: what it gets wrong is replaced where it stands.
# ruff: noqa: SLF001

import json
from collections.abc import Callable
from typing import Any

from sandbox.hooks import replace


def install() -> None:
    """Change MiniStack in this process; call before it serves."""
    from ministack.core import iam_actions

    replace(iam_actions, "extract_resource_arn", _make)


def _make(extract: Callable[..., Any]) -> Callable[..., Any]:
    def resource(*request: Any) -> Any:
        service, _, _, _, body, query, *_ = request
        found = _RESOURCES[service](body, query) if service in _RESOURCES else ""
        return found or extract(*request)

    return resource


def _of_iam(body: bytes, query: dict[str, Any]) -> str:
    """Whether somebody may ask what a principal may do is a question about that principal."""
    from ministack.core import iam_actions

    return str(iam_actions._param(body, query, "PolicySourceArn") or "")


def _of_cloudformation(body: bytes, query: dict[str, Any]) -> str:
    """A change set is no resource: its stack is, however the call names it."""
    from ministack.core import iam_actions
    from ministack.services import cloudformation

    asked = iam_actions._param(body, query, "ChangeSetName")
    found = cloudformation._change_sets.get(asked) if asked else None
    return str(found["StackId"]) if found else ""


def _of_codebuild(body: bytes, _query: dict[str, Any]) -> str:
    """Builds are asked about on their project, whose name their ids begin with."""
    from ministack.core.responses import get_account_id, get_region

    try:
        first = str(json.loads(body)["ids"][0])
    except (ValueError, KeyError, IndexError, TypeError):
        return ""
    return f"arn:aws:codebuild:{get_region()}:{get_account_id()}:project/{first.partition(':')[0]}"


def _of_ssm(body: bytes, _query: dict[str, Any]) -> str:
    """Several parameters at once are asked about one by one: here by the first. Public ones are of no account."""
    from ministack.core.responses import get_account_id, get_region

    try:
        name = str(json.loads(body)["Names"][0])
    except (ValueError, KeyError, IndexError, TypeError):
        return ""
    account = "" if name.startswith("/aws/") else get_account_id()
    return f"arn:aws:ssm:{get_region()}:{account}:parameter/{name.lstrip('/')}"


_RESOURCES: dict[str, Callable[[bytes, dict[str, Any]], str]] = {
    "cloudformation": _of_cloudformation,
    "codebuild": _of_codebuild,
    "iam": _of_iam,
    "ssm": _of_ssm,
}

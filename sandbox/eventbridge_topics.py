"""EventBridge publishes to a topic only where the topic's policy and key let it; else the event is lost in silence.

A rule without a role of its own calls as the service. A topic policy's statement with a condition does not let it in,
nor a key policy's with `aws:SourceArn` or `aws:SourceAccount`; the key `alias/aws/sns` has a policy that nobody can
change, and which knows only the account's own principals.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-troubleshooting.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
"""

# MiniStack offers no hooks: what it gets wrong is replaced where it stands.
# ruff: noqa: SLF001

import json
import logging
from collections.abc import Callable
from typing import Any

from sandbox.hooks import replace

_EVENTBRIDGE = "events.amazonaws.com"
_MANAGED_KEY = "alias/aws/sns"
_OF_KEY = ("kms:GenerateDataKey", "kms:Decrypt")
_log = logging.getLogger("sluice.eventbridge")


def install() -> None:
    """Change MiniStack in this process; call before it serves."""
    from ministack.services import eventbridge

    replace(eventbridge, "_invoke_target", _if_permitted)


def _if_permitted(invoke: Callable[..., Any]) -> Callable[..., Any]:
    def invoke_permitted(target: dict[str, Any], *event: Any, **more: Any) -> Any:
        arn = target.get("Arn", "")
        if arn.split(":")[2:3] == ["sns"] and (refusal := _refusal(arn, target.get("RoleArn", ""))):
            _log.warning("EventBridge: target %s not delivered, FailedInvocations: %s", arn, refusal)
            return None
        return invoke(target, *event, **more)

    return invoke_permitted


def _refusal(topic_arn: str, role_arn: str) -> str:
    """Why the event is lost; empty if it is published."""
    from ministack.services import sns

    topic = sns._topic_by_arn_any_scope(topic_arn)
    if topic is None:
        return "the topic does not exist"
    key = topic["attributes"].get("KmsMasterKeyId") or ""
    if role_arn:
        lacking = [action for action in ("sns:Publish",) if not _role_may(role_arn, action, topic_arn)]
        if key and not key.endswith(_MANAGED_KEY):
            lacking += [action for action in _OF_KEY if not _role_may(role_arn, action, _key(key).get("Arn", ""))]
        return f"{role_arn} may not {', '.join(lacking)}" if lacking else ""
    if not _service_may(topic["attributes"].get("Policy"), "sns:Publish", topic_arn):
        return "the topic's policy does not let EventBridge publish without a condition"
    if key.endswith(_MANAGED_KEY):
        return f"the topic is encrypted with {_MANAGED_KEY}"
    if key:
        found = _key(key)
        if not all(_service_may(found.get("Policy"), action, found.get("Arn", "")) for action in _OF_KEY):
            return "the key's policy does not let EventBridge use it without a condition"
    return ""


def _key(key_id: str) -> dict[str, Any]:
    from ministack.services import kms

    return kms._resolve_key(key_id) or {}


def _service_may(policy: Any, action: str, resource: str) -> bool:
    """Whether the policy of a resource lets EventBridge itself do this. A denial keeps its condition."""
    from ministack.core import iam_evaluator

    document = json.loads(policy) if isinstance(policy, str) and policy else policy or {}
    statements = document.get("Statement", [])
    statements = [statements] if isinstance(statements, dict) else statements
    kept = [each for each in statements if each.get("Effect") != "Allow" or not each.get("Condition")]
    context = _context(action, resource, f"arn:aws:iam::aws:service/{_EVENTBRIDGE}", "AWSService")
    decision: str = iam_evaluator.evaluate_resource_policy({"Statement": kept}, context, service=_EVENTBRIDGE).decision
    return decision == "Allow"


def _role_may(role_arn: str, action: str, resource: str) -> bool:
    from ministack.core import iam_evaluator

    account = role_arn.split(":")[4]
    policies = iam_evaluator._gather_role_policies(role_arn.rsplit("/", 1)[-1], account)
    decision: str = iam_evaluator.evaluate(_context(action, resource, role_arn, "AssumedRole"), policies).decision
    return decision == "Allow"


def _context(action: str, resource: str, principal: str, kind: str) -> Any:
    from ministack.core import iam_evaluator
    from ministack.core.responses import get_account_id, get_region

    return iam_evaluator.EvalContext(
        principal_arn=principal,
        principal_type=kind,
        principal_account=get_account_id(),
        action=action,
        resource_arn=resource,
        region=get_region(),
    )

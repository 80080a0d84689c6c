"""Physical names as CloudFormation makes them: what does not fit is cut from the stack's name and the logical id.

MiniStack cuts the end of `<stack>-<logical id>-` instead, which keeps the whole stack's name and loses the logical id.
A policy on `<stack>-*` then matches here what it does not match at AWS.

The room is shared out as AWS publishes it for resource handlers: twelve characters of suffix, the rest in equal parts,
and what one part leaves over is the other's.
https://github.com/aws-cloudformation/cloudformation-cli-java-plugin/blob/master/src/main/java/software/amazon/cloudformation/resource/IdentifierUtils.java
"""

# MiniStack offers no hooks: what it gets wrong is replaced where it stands.
# ruff: noqa: SLF001

import hashlib
import re
import string
from collections.abc import Callable
from typing import Any

from sandbox.hooks import replace

_SUFFIX = 12
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase

OF_A_LOAD_BALANCER = 25
"""Characters of a generated name, though ELB takes 32: `awseb--AWSEB-0CUpjeaauncp`, `awseb-AWSEB-VLTPKQE9CGON`.

Elastic Beanstalk's load balancers and target groups are made by CloudFormation, and its logs show such names
(stack `awseb-e-...-stack`, logical id `AWSEBV2LoadBalancer`).
https://docs.aws.amazon.com/elasticbeanstalk/latest/dg/environments-cfg-alb.html
"""
_ELB_TAKES = 32

OF_A_NESTED_STACK = 128
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html"""


_UNCUT = {
    # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html
    "AWS::ECS::Cluster": ("ClusterName", 255),
    "AWS::ECS::Service": ("ServiceName", 255),
    # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
    "AWS::Logs::LogGroup": ("LogGroupName", 512),
}
"""Types that MiniStack names in a way of its own, without a suffix: the property of the name, and what it takes."""


def physical_name(stack_name: str, logical_id: str, *, most: int, seed: str = "") -> str:
    """The name of a resource without one in its template.

    Args:
        stack_name: the stack's, which may be longer than the result.
        logical_id: the resource's in the template.
        most: characters that the type takes.
        seed: changes with each replacement of the resource.
    """
    stack = re.sub(r"-{2,}", "-", stack_name.lstrip("-"))
    of_stack, of_logical_id = _shares(most - _SUFFIX - 2, len(stack), len(logical_id))
    return f"{stack[:of_stack]}-{logical_id[:of_logical_id]}-{_suffix(stack_name, logical_id, seed)}"


def _shares(room: int, first: int, second: int) -> tuple[int, int]:
    """Characters for two parts that want `first` and `second`; the odd one is the first's."""
    half, odd = divmod(room, 2)
    if first <= half:
        return first, min(second, room - first)
    if second <= half:
        return min(first, room - second), second
    return half + odd, half


def _suffix(*of: str) -> str:
    number = int.from_bytes(hashlib.sha256("\0".join(of).encode()).digest())
    found = ""
    for _ in range(_SUFFIX):
        number, letter = divmod(number, len(_ALPHABET))
        found += _ALPHABET[letter]
    return found


def install() -> None:
    """Change MiniStack in this process; call before it serves."""
    from ministack.services.cloudformation import provisioners

    seed = provisioners._NAME_SEED

    def name(
        stack_name: str, logical_id: str, *, lowercase: bool = False, max_len: int = 128, seeded: bool = True
    ) -> str:
        most = OF_A_LOAD_BALANCER if max_len == _ELB_TAKES else max_len
        found = physical_name(stack_name, logical_id, most=most, seed=seed.get() if seeded else "")
        return found.lower() if lowercase else found

    replace(provisioners, "_physical_name", lambda _old: name)
    replace(provisioners, "_cfn_nested_stack_deploy", _refusing_long_names)
    for kind, (name_property, most) in _UNCUT.items():
        handler = provisioners._RESOURCE_HANDLERS[kind]
        replace(handler, "create", _naming(name_property, most))
        # The physical id of a service is its ARN, and its update takes the name from there.
        if kind != "AWS::ECS::Service":
            replace(handler, "update", _keeping_name(name_property))


def _naming(name_property: str, most: int) -> Callable[[Any], Any]:
    def wrap(create: Callable[..., Any]) -> Callable[..., Any]:
        def create_named(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
            from ministack.services.cloudformation import provisioners

            name = properties.get(name_property) or provisioners._physical_name(stack_name, logical_id, max_len=most)
            return create(logical_id, {**properties, name_property: name}, stack_name)

        return create_named

    return wrap


def _keeping_name(name_property: str) -> Callable[[Any], Any]:
    def wrap(update: Callable[..., Any]) -> Callable[..., Any]:
        def update_named(physical_id: str, old: dict[str, Any], new: dict[str, Any], *more: Any, **named: Any) -> Any:
            generated = not (old.get(name_property) or new.get(name_property))
            kept = {**new, name_property: physical_id} if generated else new
            return update(physical_id, {**old, name_property: physical_id} if generated else old, kept, *more, **named)

        return update_named

    return wrap


def _refusing_long_names(deploy: Callable[..., Any]) -> Callable[..., Any]:
    """CloudFormation cuts the name of a nested stack as well; MiniStack cannot, and must not make a longer one."""

    def deploy_if_short(logical_id: str, properties: dict[str, Any], parent: str, **named: Any) -> Any:
        made = named.get("previous_physical_id") is None
        if made and len(parent) + len(logical_id) + _SUFFIX + 2 > OF_A_NESTED_STACK:
            raise ValueError(f"The local AWS cannot cut the name of the nested stack {logical_id} of {parent}")
        return deploy(logical_id, properties, parent, **named)

    return deploy_if_short

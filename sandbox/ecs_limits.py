"""What ECS refuses of task definitions and capacity providers.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateCapacityProvider.html
"""

# MiniStack offers no hooks: what it gets wrong is replaced where it stands.
# ruff: noqa: SLF001

import re
from collections.abc import Callable
from typing import Any

from sandbox.hooks import replace

_GIB = 1024
MEMORY_OF_CPU: dict[int, frozenset[int]] = {
    256: frozenset({512, 1 * _GIB, 2 * _GIB}),
    512: frozenset(range(1 * _GIB, 4 * _GIB + 1, _GIB)),
    1024: frozenset(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2048: frozenset(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4096: frozenset(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8192: frozenset(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    16384: frozenset(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
    32768: frozenset({60 * _GIB, 122 * _GIB, 244 * _GIB}),
}
"""MiB of memory that Fargate takes with each number of CPU units."""

_NAME = re.compile(r"(?!aws|ecs|fargate)[A-Za-z0-9_-]{1,255}", re.IGNORECASE)


def install() -> None:
    """Change MiniStack in this process; call before it serves."""
    from ministack.services import ecs
    from ministack.services.cloudformation import provisioners

    replace(ecs._ACTION_MAP, "RegisterTaskDefinition", _registering)
    replace(ecs._ACTION_MAP, "CreateCapacityProvider", _naming)
    handler = provisioners._RESOURCE_HANDLERS["AWS::ECS::TaskDefinition"]
    replace(handler, "create", _in_stack)
    # An update registers anew.
    replace(provisioners, "_ecs_task_def_create", _in_stack)


def no_configuration(compatibilities: list[str], cpu: Any, memory: Any) -> str:
    """ECS's refusal of a task for Fargate; empty if it takes it."""
    if "FARGATE" not in compatibilities:
        return ""
    if cpu is None or memory is None:
        return f"Fargate requires that '{'cpu' if cpu is None else 'memory'}' be defined at the task level."
    if _number(memory) in MEMORY_OF_CPU.get(_number(cpu), frozenset()):
        return ""
    return f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See the Amazon ECS documentation for the valid values."  # noqa: E501


def _number(value: Any) -> int:
    text = str(value).strip().lower()
    for unit, factor in (("vcpu", 1024), ("gb", 1024)):
        if text.endswith(unit):
            return int(float(text.removesuffix(unit)) * factor)
    return int(text) if text.isdecimal() else -1


def bad_provider_name(name: str) -> str:
    """ECS's refusal of a capacity provider's name; empty if it takes it."""
    if _NAME.fullmatch(name):
        return ""
    return (
        "The specified capacity provider name is invalid. Up to 255 characters are allowed, including letters (upper "
        'and lowercase), numbers, underscores, and hyphens. The name cannot be prefixed with "aws", "ecs", or '
        '"fargate". Specify a valid name and try again.'
    )


def _client_error(message: str) -> Any:
    from ministack.core.responses import error_response_json

    return error_response_json("ClientException", message, 400)


def _registering(register: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def register_possible(data: dict[str, Any]) -> Any:
        refusal = no_configuration(data.get("requiresCompatibilities") or [], data.get("cpu"), data.get("memory"))
        return _client_error(refusal) if refusal else register(data)

    return register_possible


def _naming(create: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def create_named(data: dict[str, Any]) -> Any:
        refusal = bad_provider_name(data.get("name", ""))
        return _client_error(refusal) if refusal else create(data)

    return create_named


def _in_stack(create: Callable[..., Any]) -> Callable[..., Any]:
    def create_possible(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        compatible = properties.get("RequiresCompatibilities") or []
        if refusal := no_configuration(compatible, properties.get("Cpu"), properties.get("Memory")):
            raise ValueError(
                f'Resource handler returned message: "Invalid request provided: Create TaskDefinition: {refusal}"'
            )
        return create(logical_id, properties, stack_name)

    return create_possible

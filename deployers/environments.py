"""What the environments of a stack's functions will hold: 4,096 bytes a function, names and values together.

Lambda refuses a larger one only when the stack is being made, with the whole stack rolled back:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html

The templates are evaluated as CloudFormation does, as far as environments need it. What only AWS knows, such as the
name of a queue, counts with the most bytes that it can have.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployers import templates
from deployers.errors import ParameterRefused

MAX_BYTES = 4096
_NESTED = "AWS::CloudFormation::Stack"
_FUNCTION = "AWS::Lambda::Function"
_VARIABLE = re.compile(r"\$\{(!?)([^}]*)\}")
_UNIQUE = 14
"""A hyphen and the characters that CloudFormation ends a physical name with."""
_REGION = "ap-southeast-2"
_ACCOUNT = "1" * 12
_PSEUDO = {
    "AWS::AccountId": _ACCOUNT,
    "AWS::Partition": "aws-us-gov",
    "AWS::Region": _REGION,
    "AWS::URLSuffix": "amazonaws.com.cn",
}
_NAME_LIMITS = {"AWS::S3::Bucket": 63, "AWS::SQS::Queue": 80, "AWS::Lambda::Function": 64}
_BEFORE_NAMES = {"AWS::SQS::Queue": f"https://sqs.{_REGION}.amazonaws.com/{_ACCOUNT}/"}
_KEY_ARN = f"arn:aws-us-gov:kms:{_REGION}:{_ACCOUNT}:key/12345678-1234-1234-1234-123456789012"
_SECRET_ARN = f"arn:aws-us-gov:secretsmanager:{_REGION}:{_ACCOUNT}:secret:"
_OUTPUT = "o" * 128
"""In place of what a nested stack gives back: a name, or an ARN."""


_FIELDS = {"Paths": "paths", "IgnoredPaths": "ignored_paths", "Refs": "refs", "AllowedIps": "restrict_source_ips"}
"""Parameters that are fields of an integration."""


@dataclass(frozen=True, slots=True)
class Held:
    """One function, by its logical id, and the bytes of its environment."""

    function: str
    bytes_: int


def held(source: str, parameters: Mapping[str, str], *, stack_name: str) -> list[Held]:
    """The environments of the functions of the template `source` and of those that it is made of."""
    return list(_of_template(source, dict(parameters), stack_name))


def require_room(source: str, parameters: Mapping[str, str], *, stack_name: str) -> None:
    """Raises ParameterRefused if a function's environment would be larger than Lambda takes."""
    full = next((each for each in held(source, parameters, stack_name=stack_name) if each.bytes_ > MAX_BYTES), None)
    if full is None:
        return
    longest = sorted(_weights(source, parameters, stack_name=stack_name, function=full.function), reverse=True)[:3]
    said = ", ".join(f"{name} ({size:,})" for size, name in longest)
    raise ParameterRefused(
        f"The environment of {full.function} would hold {full.bytes_:,} bytes, and Lambda takes {MAX_BYTES:,}.",
        remedy=f"Shorten the longest values: {said}.",
        field=_FIELDS.get(longest[0][1], "parameters") if longest else "parameters",
    )


def resources(source: str, parameters: Mapping[str, str]) -> list[str]:
    """The types of all that the template and those that it is made of would make with these parameters."""
    return list(_types(source, dict(parameters)))


def values(source: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """The values of all the template's parameters: those given, else the defaults."""
    return _Scope(templates.load(source), parameters, "").parameters


def _types(source: str, given: dict[str, str]) -> Iterator[str]:
    template = templates.load(source)
    scope = _Scope(template, given, "")
    for resource in template["Resources"].values():
        if not scope.holds(resource.get("Condition")):
            continue
        yield resource["Type"]
        if resource["Type"] == _NESTED:
            properties = resource["Properties"]
            passed = {key: scope.text(value) for key, value in properties.get("Parameters", {}).items()}
            yield from _types(_nested_source(properties["TemplateURL"]), passed)


def _weights(
    source: str, parameters: Mapping[str, str], *, stack_name: str, function: str
) -> Iterator[tuple[int, str]]:
    """How much smaller the environment were without each parameter's value."""

    def size(values: Mapping[str, str]) -> int:
        found = held(source, values, stack_name=stack_name)
        return max((each.bytes_ for each in found if each.function == function), default=0)

    whole = size(parameters)
    for name, value in parameters.items():
        if value and (less := whole - size({**parameters, name: ""})) > 0:
            yield less, name


def _of_template(source: str, given: dict[str, str], stack_name: str) -> Iterator[Held]:
    template = templates.load(source)
    scope = _Scope(template, given, stack_name)
    for name, resource in template["Resources"].items():
        if not scope.holds(resource.get("Condition")):
            continue
        properties = resource.get("Properties", {})
        if resource["Type"] == _NESTED:
            nested = _nested_source(properties["TemplateURL"])
            values = {key: scope.text(value) for key, value in properties.get("Parameters", {}).items()}
            yield from _of_template(nested, values, f"{stack_name}-{name}-{'x' * 12}")
        elif resource["Type"] == _FUNCTION:
            variables = properties.get("Environment", {}).get("Variables", {})
            pairs = [(key, scope.value(value)) for key, value in variables.items()]
            yield Held(name, sum(len(f"{key}{value}".encode()) for key, value in pairs if value is not None))


def _nested_source(url: Any) -> str:
    """`nested/x.yaml` of an address that ends with `nested/x.json`."""
    found = re.search(r"(nested/[a-z0-9_]+)\.json", json.dumps(url))
    if found is None:
        raise ValueError(f"{url} is no address of a nested template")
    return f"{found[1]}.yaml"


class _Scope:
    """A template with the values of its parameters."""

    def __init__(self, template: Mapping[str, Any], given: Mapping[str, str], stack_name: str) -> None:
        self._template, self._stack_name = template, stack_name
        declared = template.get("Parameters", {})
        self.parameters = {name: str(each.get("Default", "")) for name, each in declared.items()}
        self.parameters |= {name: str(value) for name, value in given.items() if name in declared}

    def holds(self, condition: Any) -> bool:
        """Whether a condition, by name or spelled out, is true; so is none at all."""
        if condition is None:
            return True
        if isinstance(condition, str):
            return self.holds(self._template["Conditions"][condition])
        [(kind, arguments)] = condition.items()
        if kind == "Condition":
            return self.holds(arguments)
        if kind == "Fn::Equals":
            return self.value(arguments[0]) == self.value(arguments[1])
        if kind == "Fn::Not":
            return not self.holds(arguments[0])
        return {"Fn::And": all, "Fn::Or": any}[kind](self.holds(each) for each in arguments)

    def text(self, value: Any) -> str:
        """The value as a text; empty for what is left out."""
        return self.value(value) or ""

    def value(self, value: Any) -> str | None:
        """What a property is; None for AWS::NoValue."""
        if isinstance(value, bool):
            return str(value).lower()
        if not isinstance(value, dict):
            return ",".join(map(self.text, value)) if isinstance(value, list) else str(value)
        [(kind, arguments)] = value.items()
        if kind == "Fn::If":
            return self.value(arguments[1] if self.holds(arguments[0]) else arguments[2])
        functions: dict[str, Callable[[Any], str | None]] = {
            "Ref": self._ref,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::GetAtt": self._attribute,
        }
        return functions[kind](arguments) if kind in functions else _OUTPUT

    def _join(self, arguments: list[Any]) -> str:
        return str(arguments[0]).join(map(self.text, arguments[1]))

    def _ref(self, name: str) -> str | None:
        if name == "AWS::NoValue":
            return None
        if name == "AWS::StackName":
            return self._stack_name
        return _PSEUDO.get(name) or self.parameters.get(name, None if name in self.parameters else self._physical(name))

    def _physical(self, name: str) -> str:
        """The most that the reference to a resource can be."""
        resource = self._template["Resources"].get(name, {})
        kind = resource.get("Type", "")
        if kind == "AWS::SecretsManager::Secret":
            return f"{_SECRET_ARN}{name}-{'x' * 12}-{'x' * 6}"
        made = f"{self._stack_name}-{name}{'x' * _UNIQUE}"
        return _BEFORE_NAMES.get(kind, "") + made[: _NAME_LIMITS.get(kind, 255)]

    def _attribute(self, arguments: list[str]) -> str:
        kind = self._template["Resources"].get(arguments[0], {}).get("Type", "")
        if kind == "AWS::KMS::Key":
            return _KEY_ARN
        if kind == _NESTED:
            return _OUTPUT
        physical = self._physical(arguments[0])
        return physical if kind == "AWS::SecretsManager::Secret" else f"arn:aws-us-gov:s3:::{physical}"

    def _sub(self, arguments: Any) -> str:
        text, given = (arguments, {}) if isinstance(arguments, str) else arguments

        def replaced(found: re.Match[str]) -> str:
            literal, name = found.groups()
            if literal:
                return f"${{{name}}}"
            if name in given:
                return self.text(given[name])
            return self._attribute(name.split(".", 1)) if "." in name else self._ref(name) or ""

        return _VARIABLE.sub(replaced, text)

"""CloudFormation templates: written in YAML, published as JSON.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from lambdas.common.providers import PROVIDERS

DIRECTORY = Path(__file__).resolve().parent.parent / "cfn_templates"


class _Loader(yaml.SafeLoader):
    """Knows the short forms of intrinsic functions, and takes a date for a string as CloudFormation does."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)  # noqa: S101  the third and last kind of node
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def published_name(source: str) -> str:
    """`codedeploy_main.yaml` is published as `codedeploy_main.json`, `nested/x.yaml` as `nested/x.json`."""
    return Path(source).with_suffix(".json").as_posix()


@lru_cache(maxsize=16)
def load(source: str) -> dict[str, Any]:
    """The template in `cfn_templates/<source>`, with intrinsic functions in their long form. Do not change it.

    A parameter ProviderKind takes the kinds that the stack's functions know.
    """
    template: dict[str, Any] = yaml.load((DIRECTORY / source).read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506
    if kind := template.get("Parameters", {}).get("ProviderKind"):
        kind["AllowedValues"] = list(PROVIDERS)
    return template


def render(source: str) -> bytes:
    """The template as CloudFormation gets it: JSON, without blanks, and the same bytes every time."""
    return json.dumps(load(source), ensure_ascii=False, separators=(",", ":")).encode()


def sources() -> list[str]:
    """The templates that people launch, by file name, and those that they are made of."""
    found = [*DIRECTORY.glob("*_main.yaml"), *(DIRECTORY / "nested").glob("*.yaml")]
    return sorted(path.relative_to(DIRECTORY).as_posix() for path in found)


def parameter_names(source: str) -> frozenset[str]:
    """Names of all the parameters that the template takes."""
    return frozenset(load(source).get("Parameters", {}))


def secret_parameters(source: str) -> frozenset[str]:
    """Names of the parameters that CloudFormation never shows (NoEcho)."""
    parameters: dict[str, dict[str, Any]] = load(source).get("Parameters", {})
    return frozenset(name for name, parameter in parameters.items() if parameter.get("NoEcho"))

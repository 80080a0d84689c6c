"""CloudFormation templates: written in YAML, published as JSON."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from lambdas import templates
from lambdas.common.providers import PROVIDERS

DIRECTORY = Path(__file__).resolve().parent.parent / "cfn_templates"


def published_name(source: str) -> str:
    """`codedeploy_main.yaml` is published as `codedeploy_main.json`, `nested/x.yaml` as `nested/x.json`."""
    return Path(source).with_suffix(".json").as_posix()


@lru_cache(maxsize=16)
def load(source: str) -> dict[str, Any]:
    """The template in `cfn_templates/<source>`, with intrinsic functions in their long form. Do not change it.

    A parameter ProviderKind takes the kinds that the stack's functions know.
    """
    template = templates.parse((DIRECTORY / source).read_text(encoding="utf-8"))
    if kind := template.get("Parameters", {}).get("ProviderKind"):
        kind["AllowedValues"] = list(PROVIDERS)
    return template


def render(source: str) -> bytes:
    """The template as CloudFormation gets it: JSON, without blanks, and the same bytes every time."""
    return templates.as_json(load(source))


def sources() -> list[str]:
    """The templates that people launch, by file name, and those that they are made of."""
    return sorted(path.relative_to(DIRECTORY).as_posix() for path in DIRECTORY.rglob("*.yaml"))


def parameter_names(source: str) -> frozenset[str]:
    """Names of all the parameters that the template takes."""
    return frozenset(load(source).get("Parameters", {}))


def secret_parameters(source: str) -> frozenset[str]:
    """Names of the parameters that CloudFormation never shows (NoEcho)."""
    parameters: dict[str, dict[str, Any]] = load(source).get("Parameters", {})
    return frozenset(name for name, parameter in parameters.items() if parameter.get("NoEcho"))

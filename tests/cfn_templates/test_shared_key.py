"""One KMS key can serve all stacks of an account and region: `KmsKeyArn`."""

from collections.abc import Iterator
from typing import Any

import pytest

from deployers import catalog, environments, templates

SHARED = {"KmsKeyArn": "arn:aws:kms:eu-west-1:111111111111:key/12345678-1234-1234-1234-123456789012"}
SOURCES = sorted({source for each in catalog.KINDS.values() for source in (each.template, *each.nested)})


def uses(value: Any, *, own: bool = False) -> Iterator[bool]:
    """Each use of the stack's own key; whether only a stack with a key of its own has it."""
    if isinstance(value, dict):
        if value in ({"Fn::GetAtt": ["Key", "Arn"]}, {"Fn::GetAtt": "Key.Arn"}, {"Ref": "Key"}):
            yield own
        elif "Fn::If" in value and value["Fn::If"][0] == "HasOwnKey":
            yield from uses(value["Fn::If"][1], own=True)
            yield from uses(value["Fn::If"][2], own=own)
        else:
            for each in value.values():
                yield from uses(each, own=own)
    elif isinstance(value, list):
        for each in value:
            yield from uses(each, own=own)


@pytest.mark.parametrize("kind", catalog.KINDS)
def test_no_stack_pays_for_a_key_where_one_is_shared(kind: str) -> None:
    """Only the git stack makes one: the others encrypt with keys of AWS's, which cost nothing."""
    template = catalog.KINDS[kind].template
    made = environments.resources(template, {}).count("AWS::KMS::Key")
    assert made == (1 if kind == catalog.GIT.kind else 0)
    assert "AWS::KMS::Key" not in environments.resources(template, SHARED)


@pytest.mark.parametrize("source", SOURCES)
def test_the_own_key_is_named_only_where_there_is_one(source: str) -> None:
    found = templates.load(source)
    named = [
        use
        for section in ("Resources", "Outputs")
        for each in found.get(section, {}).values()
        for use in uses(each, own=each.get("Condition") == "HasOwnKey")
    ]
    assert all(named)
    assert bool(named) is (source == catalog.GIT.template)


def test_what_a_role_may_do_with_the_key_it_may_do_with_the_shared_one() -> None:
    text = str(templates.load(catalog.GIT.template)["Resources"])
    own = text.count("{'Fn::GetAtt': ['Key', 'Arn']}") + text.count("{'Fn::GetAtt': 'Key.Arn'}")
    assert own == text.count("{'Ref': 'KmsKeyArn'}") > 0

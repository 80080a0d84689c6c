"""What AWS asks of whoever makes a resource: every type of the templates is known, each with how it is made."""

import re

import pytest

from deployers import resource_permissions, templates

USED = sorted(
    {
        resource["Type"]
        for source in templates.sources()
        for resource in templates.load(source)["Resources"].values()
        if not resource["Type"].startswith(("Custom::", "AWS::CloudFormation::CustomResource"))
    }
)


@pytest.mark.parametrize("kind", USED)
def test_what_each_type_of_the_templates_needs_is_known(kind: str) -> None:
    for operation in ("create", "delete"):
        needed = resource_permissions.permissions(kind, operation)

        assert needed
        assert all(re.fullmatch(r"[A-Za-z0-9-]+:[A-Za-z0-9.]+\*?", each) for each in needed)


def test_an_operation_that_a_type_lacks_needs_nothing() -> None:
    assert resource_permissions.permissions("AWS::Lambda::Permission", "update") == frozenset()


def test_a_type_outside_the_table_is_an_error() -> None:
    with pytest.raises(KeyError):
        resource_permissions.permissions("AWS::EC2::Instance", "create")

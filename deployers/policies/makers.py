"""Every role that CloudFormation makes resources with may do what their handlers need."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployers import access_needs, catalog, needed_permissions, templates
from deployers.policies.statements import as_list, statements


@dataclass(frozen=True, slots=True)
class Maker:
    """A role, and the templates whose resources are made, changed and deleted with it."""

    source: str
    """Template of the role."""
    roles: tuple[str, ...]
    """Logical ids of the role and of managed policies that belong to it."""
    makes: tuple[str, ...]
    others_pass: frozenset[str] = frozenset()
    """Services whose roles another role passes to them."""


MAKERS = (
    Maker("nested/ecs_roles.yaml", ("ServiceRole",), ("nested/ecs_service.yaml",)),
    # Stacks have no service role of their own: they are made with the role by which the panel gets into the account.
    *(
        # CloudFormation's role for the service's stack is passed by the pipeline.
        Maker(
            access_needs.TEMPLATE,
            access_needs.POLICIES[kind.kind],
            (kind.template, *kind.nested),
            frozenset({"cloudformation.amazonaws.com"}),
        )
        for kind in catalog.KINDS.values()
    ),
)


def faults(maker: Maker) -> list[str]:
    """What the role lacks, and for which resource, one line each."""
    return missing(maker, templates.load(maker.source), {name: templates.load(name) for name in maker.makes})


def missing(maker: Maker, own: Mapping[str, Any], made: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """As `faults`, for templates that are given."""
    allowed = {action.lower() for name in maker.roles for action in _allowed(own["Resources"][name])}
    services = {each for name in maker.roles for each in _passed_to(own["Resources"][name])}
    where, found = f"{maker.source} {maker.roles[0]}", []
    for source, template in made.items():
        lacks: dict[str, set[str]] = {}
        for name, resource in template["Resources"].items():
            for permission in _needs(resource):
                if permission.lower() not in allowed:
                    lacks.setdefault(permission, set()).add(name)
            if resource["Type"] == "AWS::IAM::Role" and _taken_by(resource).isdisjoint(services | maker.others_pass):
                found.append(f"{where}: may not pass {name} of {source} to {' or '.join(sorted(_taken_by(resource)))}")
        for permission, names in sorted(lacks.items()):
            found.append(f"{where}: lacks {permission} for {', '.join(sorted(names))} of {source}")
    return found


def _needs(resource: Mapping[str, Any]) -> frozenset[str]:
    """What the resource needs from its creation to its end; stacks may have tags, which go to all their resources."""
    found: frozenset[str] = frozenset()
    for operation in ("create", "update", "delete"):
        found |= needed_permissions.needed(
            resource["Type"], operation, needed_permissions.both_branches(resource.get("Properties", {})), tagged=True
        )
    return found


def _allowed(resource: Mapping[str, Any]) -> Iterator[str]:
    for statement in statements(resource["Properties"]):
        if statement["Effect"] == "Allow" and "Principal" not in statement:
            yield from as_list(statement.get("Action", []))


def _passed_to(resource: Mapping[str, Any]) -> Iterator[str]:
    for statement in statements(resource["Properties"]):
        if statement["Effect"] == "Allow" and "iam:PassRole" in as_list(statement.get("Action", [])):
            for operator in statement.get("Condition", {}).values():
                yield from as_list(operator.get("iam:PassedToService", []))


def _taken_by(role: Mapping[str, Any]) -> set[str]:
    trust = role["Properties"]["AssumeRolePolicyDocument"]
    return {
        service
        for each in statements(trust)
        if isinstance(each.get("Principal"), dict)
        for service in as_list(each["Principal"].get("Service", []))
    }

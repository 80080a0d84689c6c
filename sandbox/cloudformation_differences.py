"""What an update would do to a stack and to each stack nested in it, as CloudFormation's change sets tell it.

MiniStack compares the resources of one template, those whose condition is false among them, and never looks into a
nested stack. CloudFormation computes no value that a resource or another nested stack gives to a nested one: the
parameter is `{{IntrinsicFunction:...}}` then, which it takes for a new value, whether or not anything changes.
https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/759
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChangeDetail.html
"""

# MiniStack offers no hooks: its own functions are used where they stand.
# ruff: noqa: SLF001

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

NESTED = "AWS::CloudFormation::Stack"
_NEW_STACK = "new"

AUTOMATIC = {
    "Target": {"Attribute": "Properties", "RequiresRecreation": "Never"},
    "Evaluation": "Dynamic",
    "ChangeSource": "Automatic",
}
"""The detail of a nested stack of which only the template, or nothing, may have changed."""


class CannotTell(ValueError):
    """CloudFormation cannot compute the changes; the message is the reason of the failed change set."""


@dataclass
class Side:
    """A stack before or after the update: its template, and its parameters as MiniStack keeps them."""

    template: dict[str, Any]
    parameters: dict[str, dict[str, Any]]

    def conditions(self) -> dict[str, bool]:
        from ministack.services.cloudformation import engine

        found: dict[str, bool] = engine._evaluate_conditions(self.template, self.parameters)
        return found

    def made(self) -> dict[str, Any]:
        """The template with those resources alone whose condition is true."""
        conditions = self.conditions()
        resources = self.template.get("Resources", {})
        kept = {name: each for name, each in resources.items() if conditions.get(each.get("Condition"), True)}
        return {**self.template, "Resources": kept}


@dataclass
class Differences:
    """What changes in one stack, and in those nested in it by their logical id."""

    stack_name: str
    stack_id: str
    after: Side
    template_body: str
    changes: list[dict[str, Any]]
    nested: dict[str, "Differences"] = field(default_factory=dict)


def compare(stack: dict[str, Any], before: Side, after: Side, template_body: str, *, retagged: bool) -> Differences:
    """Compare a stack as MiniStack keeps it, or would, with how it shall be, and all that is nested in it.

    Raises:
        CannotTell: a nested template needs what is known only once another stack is through.
    """
    from ministack.services.cloudformation import changesets, stacks

    name, stack_id = stack["StackName"], stack["StackId"]
    resources = stack.get("_resources", {})
    old, new = before.made(), after.made()
    with stacks._stack_region_context(stack, stack_id):
        changes = stacks._diff_resources(
            changesets._resolve_props_for_diff(old, before.parameters, name, stack_id),
            changesets._resolve_props_for_diff(new, after.parameters, name, stack_id),
            resources,
            new,
            {key for key, value in after.parameters.items() if before.parameters.get(key) != value},
            resources if retagged else (),
        )
    found = Differences(name, stack_id, after, template_body, changes)
    _descend(found, stack, retagged=retagged)
    return found


def _descend(found: Differences, stack: dict[str, Any], *, retagged: bool) -> None:
    """Compare the nested stacks, those first that others depend on, and add what their parent tells of them."""
    from ministack.services.cloudformation import engine

    template = found.after.made()
    definitions = template["Resources"]
    by_name = {each["ResourceChange"]["LogicalResourceId"]: each["ResourceChange"] for each in found.changes}
    for logical_id in engine._topological_sort(definitions, found.after.conditions()):
        definition = definitions[logical_id]
        if definition["Type"] != NESTED:
            continue
        unsure = {
            name
            for name, change in by_name.items()
            if change["Action"] != "Remove" and change["LogicalResourceId"] != logical_id
        }
        child = _compare_nested(found, stack, logical_id, definition, retagged=retagged)
        if logical_id not in by_name and not child.changes:
            continue
        found.nested[logical_id] = child
        change = by_name.get(logical_id)
        if change is None:
            change = {
                "Action": "Modify",
                "LogicalResourceId": logical_id,
                "PhysicalResourceId": child.stack_id,
                "ResourceType": NESTED,
                "Replacement": "False",
                "Scope": ["Properties"],
                "Details": [copy.deepcopy(AUTOMATIC)],
            }
            by_name[logical_id] = change
            found.changes.append({"ResourceChange": change})
        for name, attribute in dict.fromkeys(engine._intrinsic_references(definition.get("Properties", {}))):
            told = {each.get("CausingEntity") for each in change.get("Details", [])}
            if attribute and name in unsure and change["Action"] == "Modify" and f"{name}.{attribute}" not in told:
                change["Details"].append(_by_output(name, attribute))
    found.changes.sort(key=lambda each: each["ResourceChange"]["LogicalResourceId"])


def _by_output(name: str, attribute: str) -> dict[str, Any]:
    return {
        "Target": {"Attribute": "Properties", "Name": "Parameters", "RequiresRecreation": "Never"},
        "Evaluation": "Dynamic",
        "ChangeSource": "ResourceAttribute",
        "CausingEntity": f"{name}.{attribute}",
    }


def _compare_nested(
    parent: Differences,
    stack: dict[str, Any],
    logical_id: str,
    definition: dict[str, Any],
    *,
    retagged: bool,
) -> Differences:
    from ministack.services import cloudformation
    from ministack.services.cloudformation import engine, helpers, provisioners

    def resolve(value: Any) -> Any:
        return engine._resolve_refs(
            copy.deepcopy(value),
            stack.get("_resources", {}),
            parent.after.parameters,
            parent.after.conditions(),
            parent.after.template.get("Mappings", {}),
            parent.stack_name,
            parent.stack_id,
        )

    resources = stack.get("_resources", {})
    properties = definition.get("Properties", {})
    url = resolve(properties["TemplateURL"])
    body, error = helpers._resolve_template({"TemplateURL": [url]})
    if error is not None or not body:
        raise CannotTell(f"S3 error: The specified key does not exist. ({url})")
    template = engine._parse_template(body)
    given: dict[str, str] = {}
    unknown: set[str] = set()
    for name, raw in (properties.get("Parameters") or {}).items():
        if needed := _given_by_resource(raw, parent.after.template["Resources"]):
            given[name] = f"{{{{IntrinsicFunction:{parent.stack_name}/{needed}}}}}"
            unknown.add(name)
        elif (value := resolve(raw)) is not engine._NO_VALUE:
            given[name] = str(value)
    _refuse_what_needs_unknown(logical_id, template, {name: given[name] for name in unknown})
    after = Side(template, _parameters(logical_id, template, given, unknown))

    physical_id = resources.get(logical_id, {}).get("PhysicalResourceId", "")
    child = cloudformation._stacks.get(provisioners._nested_stack_lookup_name(physical_id)) if physical_id else None
    if child is None:
        new = {"StackName": f"{parent.stack_name}-{logical_id}", "StackId": _NEW_STACK}
        return compare(new | {"_region": stack.get("_region")}, Side({}, {}), after, body, retagged=False)
    before = Side(child.get("_template", {}), child.get("_resolved_params", {}))
    return compare(child, before, after, body, retagged=retagged)


def _given_by_resource(raw: Any, resources: dict[str, Any]) -> str:
    """How CloudFormation writes the resource's value that a parameter is given; empty if it is given none."""
    from ministack.services.cloudformation import engine

    for name, attribute in engine._intrinsic_references(raw):
        if name in resources:
            return f"{name}.{attribute}/Fn::GetAtt" if attribute else f"{name}/Ref"
    return ""


def _parameters(
    logical_id: str, template: dict[str, Any], given: dict[str, str], unknown: set[str]
) -> dict[str, dict[str, Any]]:
    """As `_resolve_parameters`, but that nothing is asked of a value that is not known yet."""
    from ministack.services.cloudformation import engine

    declared = {
        name: {"Type": "String", "NoEcho": each.get("NoEcho", False)} if name in unknown else each
        for name, each in template.get("Parameters", {}).items()
    }
    try:
        found: dict[str, dict[str, Any]] = engine._resolve_parameters(
            {**template, "Parameters": declared}, [{"Key": name, "Value": value} for name, value in given.items()]
        )
    except ValueError as error:
        raise CannotTell(f"Nested stack {logical_id}: {error}") from error
    return found


def _refuse_what_needs_unknown(logical_id: str, template: dict[str, Any], unknown: dict[str, str]) -> None:
    """What cannot be computed without a value that is not known: a condition, one of several, a parameter of SSM.

    AWS documents no words for the first.
    """
    from ministack.services.cloudformation import engine

    for name, each in template.get("Parameters", {}).items():
        if name in unknown and str(each.get("Type")).startswith("AWS::SSM::Parameter::"):
            raise CannotTell(f"Unable to fetch parameters [{unknown[name]}] from parameter store for this account.")
    for name, condition in template.get("Conditions", {}).items():
        for needed, _ in engine._intrinsic_references(condition):
            if needed in unknown:
                raise CannotTell(
                    f"Template error: condition {name} of the nested stack {logical_id} depends on {unknown[needed]}"
                )
    for selected in _selections(template.get("Resources", {})):
        if any(needed in unknown for needed, _ in engine._intrinsic_references(selected)):
            raise CannotTell("Template error: Fn::Select  cannot select nonexistent value at index 1")


def _selections(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "Fn::Select":
                yield each
            yield from _selections(each)
    elif isinstance(value, list):
        for each in value:
            yield from _selections(each)

"""Showing a person what would change, resource by resource, before anything does."""

from deployers.aws import cloudformation
from deployers.services.steps.work import Ask, Next, Outcome, Work
from deployers.states import Step


def review(work: Work) -> Outcome:
    """Note what the change set holds, and wait; once it is approved, go on."""
    if work.options.get("approved"):
        return Next(Step.EXECUTE)
    found = cloudformation.describe_change_set(
        work.access, name_or_id=work.operation.change_set_id, stack=work.stack.name
    )
    if found is None or not found.executable:
        # Gone, or executed by hand at AWS: what there is now decides.
        work.operation.change_set_id = "" if found is None else work.operation.change_set_id
        return Next(Step.PREPARE if found is None else Step.CHANGE_SET)
    work.options["changes"] = [
        {
            "action": each.action,
            "logical_id": each.logical_id,
            "resource_type": each.resource_type,
            "replacement": each.replacement,
            "properties": list(each.properties),
            "stack": each.stack,
            "possible": each.possible,
        }
        for each in cloudformation.changes(work.access, change_set_id=found.id)
    ]
    return Ask(Step.REVIEW)

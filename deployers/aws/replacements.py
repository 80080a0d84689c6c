"""Which changes of a change set are certain, and why the others are only possible.

CloudFormation counts a value that it cannot compute yet as a new one: what another resource or nested stack gives,
and a parameter that is given it. It then announces changes and replacements that mostly do not happen.
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChangeDetail.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceTargetDefinition.html
https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/759
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

_UNKNOWN = ("{{IntrinsicFunction:", "{{changeSet:")
"""How a value begins that is known only while the stack is updated."""


def unknown_parameters(parameters: Iterable[Mapping[str, Any]]) -> set[str]:
    """Names of a change set's parameters whose values AWS cannot compute yet."""
    return {each["ParameterKey"] for each in parameters if each.get("ParameterValue", "").startswith(_UNKNOWN)}


def reasons(changes: Sequence[Mapping[str, Any]], unknown: Collection[str]) -> dict[str, str]:
    """Why a change, or its replacement, is only possible, by logical id; what is certain is not in it.

    Args:
        changes: every `ResourceChange` of one change set.
        unknown: names of the parameters whose values are not known yet.
    """
    modified = {each["LogicalResourceId"]: each for each in changes if each.get("Action") == "Modify"}
    certain: set[str] = {name for name, each in modified.items() if not each.get("Details")}
    # One certain change makes those certain that it causes.
    while more := {
        name
        for name, each in modified.items()
        if name not in certain and any(_is_certain(detail, modified, certain, unknown) for detail in _that_matter(each))
    }:
        certain |= more
    return {name: _reason(_that_matter(each), unknown) for name, each in modified.items() if name not in certain}


def _that_matter(change: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The details that decide: those of a replacement, if there may be one."""
    details: list[Mapping[str, Any]] = change.get("Details", [])
    if change.get("Replacement") not in {"True", "Conditional"}:
        return details
    replacing = [each for each in details if _recreation(each) in {"Always", "Conditionally"}]
    return replacing or details


def _recreation(detail: Mapping[str, Any]) -> str:
    found: str = detail.get("Target", {}).get("RequiresRecreation", "Never")
    return found


def _is_certain(
    detail: Mapping[str, Any], modified: Collection[str], certain: Collection[str], unknown: Collection[str]
) -> bool:
    if detail.get("Evaluation", "Static") != "Static" or _recreation(detail) == "Conditionally":
        return False
    cause = detail.get("CausingEntity", "").split(".", 1)[0]
    return cause not in unknown and (cause not in modified or cause in certain)


def _reason(details: Sequence[Mapping[str, Any]], unknown: Collection[str]) -> str:
    """One sentence for a person."""
    names = sorted({each.get("Target", {}).get("Name", "") for each in details} - {""})
    what = f"the new value of {', '.join(names)}" if names else "whether anything changes"
    given = sorted({each["CausingEntity"] for each in details if each.get("CausingEntity") in unknown})
    if given:
        from_where = f"parameter{'s' if len(given) > 1 else ''} {', '.join(given)}"
        return f"AWS knows {what} only during the update, as another stack gives it ({from_where})."
    causes = sorted({each["CausingEntity"] for each in details if "." in each.get("CausingEntity", "")})
    if causes:
        return f"AWS knows {what} only during the update, as it comes from {', '.join(causes)}."
    if any(_recreation(each) == "Conditionally" for each in details):
        return f"It depends on {what} whether AWS replaces it."
    return f"AWS knows {what} only during the update."

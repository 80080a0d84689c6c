"""Change sets of nested stacks: CreateChangeSet with IncludeNestedStacks, and each level described by itself.

Without it MiniStack says of no nested stack that it may change, where CloudFormation says so of each.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/change-sets-for-nested-stacks.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeChangeSet.html
"""

# MiniStack offers no hooks: what it gets wrong is replaced where it stands.
# ruff: noqa: SLF001

import copy
import re
from collections.abc import Callable
from typing import Any

from sandbox.cloudformation_differences import AUTOMATIC, NESTED, CannotTell, Differences, Side, compare
from sandbox.cloudformation_names import physical_name
from sandbox.hooks import replace

PAGE = 25
"""Changes that DescribeChangeSet returns at once. AWS names no number; a small one has clients read all pages."""

_NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
_OF_ROOT = "Executable from root change set"

Call = Callable[[dict[str, Any]], Any]


def install() -> None:
    """Change MiniStack in this process; call before it serves. Comes before the checks of a stack's status."""
    from ministack.services.cloudformation import handlers

    calls = handlers._ACTION_HANDLERS
    replace(calls, "CreateChangeSet", _create)
    replace(calls, "DescribeChangeSet", _describe)
    replace(calls, "DeleteChangeSet", _delete)


def _create(act: Call) -> Call:
    def create(params: dict[str, Any]) -> Any:
        from ministack.services import cloudformation
        from ministack.services.cloudformation import helpers

        before = set(cloudformation._change_sets)
        stack_before = copy.deepcopy(_found_stack(params))
        answer = act(params)
        made = [each for each in cloudformation._change_sets if each not in before]
        if answer[0] == 200 and made and helpers._p(params, "ChangeSetType", "UPDATE") != "IMPORT":
            nested = helpers._p(params, "IncludeNestedStacks", "false").lower() == "true"
            _look_into(cloudformation._change_sets[made[0]], stack_before, nested=nested)
        return answer

    return create


def _found_stack(params: dict[str, Any]) -> dict[str, Any]:
    from ministack.services.cloudformation import handlers, helpers

    found = handlers._resolve_stack(helpers._p(params, "StackName")) or {}
    return {name: found.get(name) for name in ("Tags",)} if found else {}


def _look_into(change_set: dict[str, Any], stack_before: dict[str, Any], *, nested: bool) -> None:
    from ministack.services import cloudformation
    from ministack.services.cloudformation import stacks

    stack = cloudformation._stacks[change_set["StackName"]]
    update = change_set["ChangeSetType"] == "UPDATE"
    before = Side(stack.get("_template", {}), stack.get("_resolved_params", {})) if update else Side({}, {})
    after = Side(change_set["_template"], change_set["_resolved_params"])
    holds_nested = any(each.get("Type") == NESTED for each in after.template.get("Resources", {}).values())
    if not holds_nested:
        return
    retagged = update and stacks._stack_tags_changed(
        stack | stack_before, change_set["Tags"], change_set.get("_tags_given", False)
    )
    try:
        found = compare(stack, before, after, change_set["_template_body"], retagged=retagged)
    except CannotTell as error:
        if nested:
            _settle(change_set, [], failed=str(error))
            return
        found = None
    if nested and found:
        change_set["IncludeNestedStacks"] = True
        _settle(change_set, found.changes)
        _make_nested(change_set, found, parent=change_set, root=change_set)
    elif not nested:
        _settle(change_set, _unseen(change_set["Changes"], after, stack))


def _unseen(changes: list[dict[str, Any]], after: Side, stack: dict[str, Any]) -> list[dict[str, Any]]:
    """Each nested stack that is there already may change: nobody looked into its template."""
    told = {each["ResourceChange"]["LogicalResourceId"] for each in changes}
    more = [
        {
            "ResourceChange": {
                "Action": "Modify",
                "LogicalResourceId": name,
                "PhysicalResourceId": stack["_resources"][name]["PhysicalResourceId"],
                "ResourceType": NESTED,
                "Replacement": "False",
                "Scope": ["Properties"],
                "Details": [copy.deepcopy(AUTOMATIC)],
            }
        }
        for name, each in after.made()["Resources"].items()
        if each["Type"] == NESTED and name in stack.get("_resources", {}) and name not in told
    ]
    return sorted([*changes, *more], key=lambda each: each["ResourceChange"]["LogicalResourceId"])


def _settle(change_set: dict[str, Any], changes: list[dict[str, Any]], *, failed: str = "") -> None:
    if not changes:
        failed = failed or _NO_CHANGES
    change_set |= {
        "Changes": changes,
        "Status": "FAILED" if failed else "CREATE_COMPLETE",
        "ExecutionStatus": "UNAVAILABLE" if failed else "AVAILABLE",
        "StatusReason": failed,
    }


def _make_nested(of: dict[str, Any], found: Differences, *, parent: dict[str, Any], root: dict[str, Any]) -> None:
    """A change set for each nested stack that changes, named after its parent's, its resource and a suffix."""
    from ministack.core.responses import get_account_id, get_region, new_uuid
    from ministack.services import cloudformation

    changes = {each["ResourceChange"]["LogicalResourceId"]: each["ResourceChange"] for each in of["Changes"]}
    for logical_id, child in found.nested.items():
        if not child.changes:
            continue
        name = physical_name(parent["ChangeSetName"], logical_id, most=128, seed=new_uuid())
        region, account = get_region(), get_account_id()
        change_set_id = f"arn:aws:cloudformation:{region}:{account}:changeSet/{name}/{new_uuid()}"
        stack_id = child.stack_id
        if not stack_id.startswith("arn:"):
            stack_id = f"arn:aws:cloudformation:{region}:{account}:stack/{child.stack_name}/{new_uuid()}"
        made = {
            **root,
            "ChangeSetId": change_set_id,
            "ChangeSetName": name,
            "StackId": stack_id,
            "StackName": child.stack_name,
            "ChangeSetType": "UPDATE" if child.stack_id.startswith("arn:") else "CREATE",
            "Status": "CREATE_COMPLETE",
            "ExecutionStatus": "UNAVAILABLE",
            "StatusReason": _OF_ROOT,
            "Changes": child.changes,
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": "****" if each["NoEcho"] else each["Value"]}
                for key, each in child.after.parameters.items()
            ],
            "ParentChangeSetId": parent["ChangeSetId"],
            "RootChangeSetId": root["ChangeSetId"],
            "_template": child.after.template,
            "_template_body": child.template_body,
            "_resolved_params": child.after.parameters,
        }
        cloudformation._change_sets[change_set_id] = made
        changes[logical_id]["ChangeSetId"] = change_set_id
        _make_nested(made, child, parent=made, root=root)


def _describe(act: Call) -> Call:
    def describe(params: dict[str, Any]) -> Any:
        from ministack.services import cloudformation
        from ministack.services.cloudformation import changesets, helpers

        _, whole = changesets._find_change_set(helpers._p(params, "ChangeSetName"), _stack_name(params))
        if whole is None:
            return act(params)
        token = helpers._p(params, "NextToken") or "0"
        if not token.isdecimal() or int(token) % PAGE or int(token) > len(whole["Changes"]):
            return helpers._error("ValidationError", "Invalid token")
        first = int(token)
        page = {**whole, "Changes": whole["Changes"][first : first + PAGE]}
        cloudformation._change_sets[whole["ChangeSetId"]] = page
        try:
            status, headers, body = act({**params, "ChangeSetName": [whole["ChangeSetId"]]})
        finally:
            cloudformation._change_sets[whole["ChangeSetId"]] = whole
        return (
            status,
            headers,
            _completed(body.decode(), page, rest=first + PAGE < len(whole["Changes"]), next_page=first + PAGE),
        )

    return describe


def _stack_name(params: dict[str, Any]) -> str:
    from ministack.services.cloudformation import handlers, helpers

    named: str = helpers._p(params, "StackName")
    return (handlers._resolve_stack(named) or {}).get("StackName", named)  # type: ignore[no-any-return]


def _completed(body: str, page: dict[str, Any], *, rest: bool, next_page: int) -> bytes:
    """What MiniStack's answer lacks: ids of nested change sets, the hierarchy, and the next page's token."""
    for change in (each["ResourceChange"] for each in page["Changes"]):
        if "ChangeSetId" in change:
            named = f"<LogicalResourceId>{change['LogicalResourceId']}</LogicalResourceId>"
            body = body.replace(named, f"{named}<ChangeSetId>{change['ChangeSetId']}</ChangeSetId>", 1)
    more = "<IncludeNestedStacks>true</IncludeNestedStacks>" if page.get("IncludeNestedStacks") else ""
    more += "".join(f"<{key}>{page[key]}</{key}>" for key in ("ParentChangeSetId", "RootChangeSetId") if key in page)
    more += f"<NextToken>{next_page}</NextToken>" if rest else ""
    return re.sub("</DescribeChangeSetResult>", more + "</DescribeChangeSetResult>", body, count=1).encode()


def _delete(act: Call) -> Call:
    """Those of nested stacks go with their root, and only so."""

    def delete(params: dict[str, Any]) -> Any:
        from ministack.services import cloudformation
        from ministack.services.cloudformation import changesets, helpers

        _, found = changesets._find_change_set(helpers._p(params, "ChangeSetName"), _stack_name(params))
        if found is not None and "RootChangeSetId" in found:
            return helpers._error(
                "InvalidChangeSetStatus",
                f"ChangeSet [{found['ChangeSetId']}] can be deleted from its root change set only",
            )
        answer = act(params)
        if found is not None and answer[0] == 200:
            sets = cloudformation._change_sets
            for each in [key for key, one in sets.items() if one.get("RootChangeSetId") == found["ChangeSetId"]]:
                sets.pop(each)
        return answer

    return delete

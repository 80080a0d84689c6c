"""Changes that wait for a person: told on the page, approved or discarded there."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from deployers.models import Operation
from deployers.states import OperationStatus, Step
from teams.models import Team
from tests import factories


def change(logical_id: str, action: str, replacement: str = "", **fields: Any) -> dict[str, Any]:
    return {
        "action": action,
        "logical_id": logical_id,
        "resource_type": "AWS::EC2::LaunchTemplate",
        "replacement": replacement,
        "properties": [],
        "stack": "",
        **fields,
    }


@pytest.fixture
def waiting(team: Team) -> Operation:
    stack = factories.make_stack(integration=factories.make_integration(team=team), kind="codedeploy")
    return factories.make_operation(
        stack=stack,
        kind="update",
        status=OperationStatus.WAITING,
        step=Step.REVIEW,
        started_at=timezone.now(),
        options={
            "review": True,
            "changes": [
                change("Alarm", "Add"),
                change("Group", "Modify", "Conditional"),
                change("Role", "Modify", "False"),
                change("Listener", "Modify", "True", possible="AWS knows the new value only during the update."),
                change("Policy", "Modify", "False", possible="It depends."),
                change("Template", "Modify", "True", stack="Fleet", properties=["ImageId"]),
                change("Record", "Remove"),
            ],
        },
    )


def test_what_is_replaced_or_removed_comes_first(signed_in: Client, waiting: Operation) -> None:
    page = signed_in.get(reverse("operation-detail", args=[waiting.pk])).content.decode()
    rows = re.findall(
        r'<td class="main">([^<]+)<span class="sub">([^<]+)</span>(?:<span class="sub why">[^<]+</span>)?</td>\s*'
        r"<td[^>]*>(.*?)</td>",
        page,
        re.DOTALL,
    )
    found = [(place, re.sub(r"<[^>]+>", "", status).strip()) for place, _, status in rows]
    assert found == [
        ("Fleet / Template", "Replaced"),
        ("Record", "Removed"),
        ("Group", "Possible replacement"),
        ("Listener", "Possible replacement"),
        ("Role", "Changed"),
        ("Policy", "Possible change"),
        ("Alarm", "Added"),
    ]
    assert rows[0][1] == "AWS::EC2::LaunchTemplate: ImageId"
    assert page.count("AWS knows the new value only during the update.") == 1


def test_it_is_approved_or_discarded_on_the_page_of_the_integration(
    operator: Client, viewer: Client, waiting: Operation
) -> None:
    approve = reverse("operation-approve", args=[waiting.pk])
    page = reverse("integration-detail", args=[waiting.integration_id])
    assert approve in operator.get(page).content.decode()
    assert approve not in viewer.get(page).content.decode()
    assert viewer.post(approve).status_code == 403
    operator.post(approve)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.options["approved"]) == (OperationStatus.RUNNING, True)


def test_discarding_cancels_it(operator: Client, waiting: Operation) -> None:
    operator.post(reverse("operation-cancel", args=[waiting.pk]))
    waiting.refresh_from_db()
    assert (waiting.status, waiting.cancel_requested) == (OperationStatus.RUNNING, True)
    assert "approved" not in waiting.options

"""The image of a stack's instances, over the API."""

import pytest
from rest_framework.test import APIClient

from deployers.models import Operation
from teams.models import Team
from tests.factories import make_integration, make_stack

pytestmark = pytest.mark.django_db


def test_the_image_is_told_and_updated(api: APIClient, team: Team) -> None:
    integration = make_integration(team=team, deployers=["codedeploy"], deploy_ref="main")
    stack = make_stack(integration=integration, kind="codedeploy", image_id="ami-0aaaaaaaaaaaaaaa1")
    path = f"/api/v1/stacks/{stack.pk}/"
    assert api.get(path).json()["image_id"] == "ami-0aaaaaaaaaaaaaaa1"

    answer = api.post(f"{path}update-image/")

    operation = Operation.objects.get()
    assert (answer.status_code, answer.json()["id"]) == (202, str(operation.pk))
    assert operation.options == {"review": True, "newest_image": True}
    again = api.post(f"{path}update-image/")
    assert (again.status_code, again.json()["code"]) == (409, "stack_busy")


def test_a_stack_without_instances_has_no_image_to_update(api: APIClient, team: Team) -> None:
    stack = make_stack(integration=make_integration(team=team))
    answer = api.post(f"/api/v1/stacks/{stack.pk}/update-image/")
    assert answer.status_code == 409
    assert "makes no instances" in answer.json()["detail"]
    assert not Operation.objects.exists()

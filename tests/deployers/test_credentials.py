"""Stacks follow when their provider gets other credentials."""

from datetime import timedelta

import pytest
from django.utils import timezone

from deployers.models import Operation, OperationKind, Stack
from deployers.services import credentials
from deployers.states import OperationStatus
from integrations.models import Integration, Provider
from teams.models import AuditEntry
from tests.factories import make_integration, make_operation, make_stack

pytestmark = pytest.mark.django_db


@pytest.fixture
def stack() -> Stack:
    made = make_stack(integration=make_integration())
    Integration.objects.update(credentials_applied_at=timezone.now() - timedelta(days=1))
    Provider.objects.update(credentials_changed_at=timezone.now())
    return made


def test_a_stack_with_older_credentials_is_updated_once(stack: Stack) -> None:
    assert (credentials.follow_due(), credentials.follow_due()) == (1, 0)
    operation = Operation.objects.get()
    assert (operation.kind, operation.stack, operation.requested_by) == (OperationKind.UPDATE, stack, None)
    assert AuditEntry.objects.get().changes["reason"] == credentials.REASON


def test_one_that_knows_them_is_left_alone(stack: Stack) -> None:
    Integration.objects.update(credentials_applied_at=Provider.objects.get().credentials_changed_at)
    assert credentials.follow_due() == 0


def test_an_update_that_failed_waits_for_a_person_and_a_rotation_that_failed_for_nobody(stack: Stack) -> None:
    make_operation(stack=stack, kind=OperationKind.UPDATE, status=OperationStatus.FAILED)
    assert credentials.follow_due() == 0
    Operation.objects.update(kind=OperationKind.ROTATE_KEY)
    assert credentials.follow_due() == 1


def test_nothing_is_updated_before_the_first_change(stack: Stack) -> None:
    Provider.objects.update(credentials_changed_at=None)
    assert credentials.follow_due() == 0

"""What is asked of webhook secrets, before AWS has a part in it. tests/e2e/test_rotation.py has the rest."""

from datetime import timedelta

import pytest

from deployers.models import Operation, OperationKind
from deployers.services import operations, secret_rotation, stacks
from deployers.services.reconcile import advance
from deployers.states import Step
from integrations.models import Integration
from teams.errors import Forbidden, Refused
from teams.models import Role, User
from tests.factories import make_integration, make_stack, make_user


@pytest.fixture
def integration(db: None) -> Integration:
    made = make_integration(name="shop", webhook_secret="new", webhook_secret_previous="old")
    make_stack(integration=made)
    return made


@pytest.fixture
def operator(integration: Integration) -> User:
    return make_user(team=integration.team, role=Role.OPERATOR)


def at(operation: Operation, step: Step) -> None:
    """Let the operation wait at a step for an hour."""
    lease = operations.claim(operation.pk)
    assert lease
    assert operations.release(lease, after=timedelta(hours=1), step=step)


def test_one_that_waits_for_somebody_is_stopped_at_once_and_both_secrets_stay(
    integration: Integration, operator: User
) -> None:
    operation = secret_rotation.rotate(integration=integration, actor=operator)
    at(operation, Step.PROVE_SECRET)

    stacks.cancel(operation=operation, actor=operator)
    advance(operation)

    operation.refresh_from_db()
    integration.refresh_from_db()
    assert operation.status == "cancelled"
    assert "the old webhook secret and the new one" in operation.problem
    assert (integration.webhook_secret, integration.webhook_secret_previous) == ("new", "old")
    assert secret_rotation.rotate(integration=integration, actor=operator).kind == OperationKind.ROTATE_SECRET


def test_one_that_cloudformation_carries_out_is_not_stopped(integration: Integration, operator: User) -> None:
    operation = secret_rotation.rotate(integration=integration, actor=operator)
    at(operation, Step.WATCH)
    with pytest.raises(Refused, match="half-way"):
        stacks.cancel(operation=operation, actor=operator)


def test_it_takes_a_stack_and_an_operator(integration: Integration) -> None:
    with pytest.raises(Forbidden):
        secret_rotation.rotate(integration=integration, actor=make_user(team=integration.team, role=Role.VIEWER))
    bare = make_integration(team=integration.team)
    with pytest.raises(Refused, match="no stack"):
        secret_rotation.rotate(integration=bare, actor=make_user(team=integration.team))

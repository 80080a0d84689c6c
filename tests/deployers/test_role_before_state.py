"""Who may not do a thing is told that, in whatever state the thing is: a refusal says nothing about the state."""

import inspect
import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deployers.models import AccessMethod, OperationKind, StackKind
from deployers.services import (
    accounts,
    artifacts,
    catch_up,
    dead_letters,
    deliveries,
    deployments,
    integration_settings,
    key_rotation,
    secret_rotation,
    stacks,
)
from deployers.states import DeploymentStatus, OperationStatus
from integrations.models import DeliveryStatus, Deployer, Integration, Method, SSHKeyState
from integrations.services import deliveries as delivery_rows
from integrations.services import host_keys, integrations, obstacles, providers, repositories, webhooks
from teams.errors import Forbidden
from teams.models import Role, Team, User
from tests.factories import (
    make_account,
    make_artifact,
    make_delivery,
    make_deployment,
    make_integration,
    make_operation,
    make_provider,
    make_repository,
    make_ssh_key,
    make_stack,
    make_user,
)

MODULES = (
    accounts, artifacts, catch_up, dead_letters, deliveries, deployments, key_rotation, secret_rotation, stacks,
    delivery_rows, webhooks, integration_settings, host_keys, integrations, obstacles, providers, repositories,
)  # fmt: skip
VIEWERS_MAY = {"download_url"}


def services() -> list[Callable[..., Any]]:
    """Every public function that is told who asks."""
    found = {
        function
        for module in MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_") and "actor" in inspect.signature(function).parameters
    }
    return sorted(found, key=lambda each: f"{each.__module__}.{each.__name__}")


def of_integrations() -> Iterator[Integration]:
    yield make_integration()
    yield make_integration(method=Method.GIT_PULL)
    for aws_status in ("CREATE_COMPLETE", "ROLLBACK_COMPLETE", "DELETE_FAILED", ""):
        yield make_stack(aws_status=aws_status, outputs={}).integration
    yield make_operation(status=OperationStatus.RUNNING).integration
    yield make_integration(
        aws_account=make_account(method=AccessMethod.ROLE, role_arn="arn:aws:iam::123456789012:role/r")
    )


def of_operations() -> Iterator[Any]:
    for kind, status in itertools.product(OperationKind, OperationStatus):
        yield make_operation(kind=kind, status=status)
    gone = make_operation(status=OperationStatus.FAILED)
    gone.integration = None
    gone.save(update_fields=["integration"])
    yield gone


def of_stacks() -> Iterator[Any]:
    yield make_stack()
    yield make_stack(kind=StackKind.ECS)
    yield make_stack(integration=make_integration(deployers=[Deployer.ECS]), kind=StackKind.ECS)


def of_keys() -> Iterator[Any]:
    for state in SSHKeyState:
        yield make_ssh_key(state=state)


def of_deliveries() -> Iterator[Any]:
    for status in DeliveryStatus:
        for age in (0, 3):
            yield make_delivery(status=status, updated_at=timezone.now() - timedelta(hours=age))


def of_deployments() -> Iterator[Any]:
    for status in DeploymentStatus:
        yield make_deployment(artifact=make_artifact(), status=status)


STATES: dict[str, Callable[[], Iterator[Any]]] = {
    "integration": of_integrations,
    "operation": of_operations,
    "stack": of_stacks,
    "key": of_keys,
    "delivery": of_deliveries,
    "deployment": of_deployments,
    "artifact": lambda: iter([make_artifact()]),
    "provider": lambda: iter([make_provider(), make_repository().provider]),
    "account": lambda: iter([make_account(), make_integration().aws_account]),
    "repository": lambda: iter([make_repository(), make_integration().repository]),
    "integrations": lambda: iter([[make_integration()]]),
}
FILLED: dict[str, Any] = {"fingerprints": [], "bucket": "nonsense", "name": "", "kind": "github", "full_name": ""}


def arguments(service: Callable[..., Any], team: Team) -> Iterator[dict[str, Any]]:
    """Arguments for each state that the thing may be in; the rest is nonsense, where something must be given."""
    parameters = inspect.signature(service).parameters
    # What makes a new row is asked in a team, and with rows of that team.
    makes = "team" in parameters
    things = [name for name in parameters if name in STATES and not (makes and name in {"repository", "provider"})]
    given: dict[str, Any] = {
        name: FILLED.get(name)
        for name, parameter in parameters.items()
        if parameter.default is inspect.Parameter.empty and name not in {"actor", "team", *things}
    }
    if makes:
        given["team"] = team
    if not things:
        yield given
    for name in things:
        for thing in STATES[name]():
            yield {**given, name: thing}


@pytest.mark.django_db
@pytest.mark.parametrize("service", services(), ids=lambda each: f"{each.__module__}.{each.__name__}")
def test_who_may_not_is_forbidden_in_every_state(service: Callable[..., Any], team: Team, stranger: User) -> None:
    viewer = make_user(team=team, role=Role.VIEWER)
    actors = [stranger] if service.__name__ in VIEWERS_MAY else [viewer, stranger]
    tried = 0
    for actor in actors:
        for each in arguments(service, team):
            with pytest.raises(Forbidden):
                service(actor=actor, **each)
            tried += 1
    assert tried


@pytest.mark.django_db
def test_who_may_retry_most_may_not_retry_a_deletion(team: Team) -> None:
    operator = make_user(team=team, role=Role.OPERATOR)
    for status in OperationStatus:
        with pytest.raises(Forbidden):
            stacks.retry(operation=make_operation(kind=OperationKind.DELETE, status=status), actor=operator)

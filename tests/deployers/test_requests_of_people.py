"""What people ask of stacks, and what they are refused."""

import pytest

from deployers.errors import NotCancellable, NothingToRetry, StackBusy
from deployers.models import Operation, OperationKind, Stack
from deployers.services import operations, stacks
from deployers.states import OperationStatus, Step
from integrations.models import Integration, Method
from teams.errors import Forbidden, Refused
from teams.models import AuditEntry, Role, User
from tests.deployers.test_operations import in_threads
from tests.factories import make_integration, make_operation, make_repository, make_stack, make_user


@pytest.fixture
def integration(db: None) -> Integration:
    return make_integration(name="shop")


@pytest.fixture
def operator(integration: Integration) -> User:
    return make_user(team=integration.team, role=Role.OPERATOR)


@pytest.fixture
def admin(integration: Integration) -> User:
    return make_user(team=integration.team)


def ended(operation: Operation, status: OperationStatus) -> Operation:
    lease = operations.claim(operation.pk)
    assert lease
    assert operations.finish(lease, status)
    operation.refresh_from_db()
    return operation


def test_provisioning_writes_a_queued_operation_and_calls_nobody(integration: Integration, operator: User) -> None:
    operation = stacks.provision(integration=integration, actor=operator)

    assert (operation.status, operation.kind, operation.requested_by) == ("queued", OperationKind.CREATE, operator)
    assert integration.stacks.get().name == "sluice-shop-git"
    assert AuditEntry.objects.get().action == "integration.provision"


@pytest.mark.parametrize(
    ("aws_status", "kind"),
    [
        ("", "create"),
        ("ROLLBACK_COMPLETE", "create"),
        ("DELETE_COMPLETE", "create"),
        ("UPDATE_ROLLBACK_FAILED", "update"),
    ],
)
def test_what_is_there_decides_whether_it_is_created_or_updated(
    integration: Integration, operator: User, aws_status: str, kind: str
) -> None:
    make_stack(integration=integration, aws_status=aws_status)
    assert stacks.provision(integration=integration, actor=operator).kind == kind


def test_one_operation_at_a_time(integration: Integration, admin: User) -> None:
    stacks.provision(integration=integration, actor=admin)
    with pytest.raises(StackBusy):
        stacks.provision(integration=integration, actor=admin)
    with pytest.raises(StackBusy):
        stacks.delete(integration=integration, actor=admin)


@pytest.mark.django_db(transaction=True)
def test_of_two_clicks_at_once_one_wins(integration: Integration, admin: User) -> None:
    def click() -> bool:
        try:
            stacks.provision(integration=Integration.objects.get(pk=integration.pk), actor=admin)
        except StackBusy:
            return False
        return True

    assert sorted(in_threads(4, click)) == [False, False, False, True]
    assert (Stack.objects.count(), Operation.objects.count()) == (1, 1)


@pytest.mark.django_db
def test_roles_decide(integration: Integration, operator: User, stranger: User) -> None:
    viewer = make_user(team=integration.team, role=Role.VIEWER)
    for user in (viewer, stranger):
        with pytest.raises(Forbidden):
            stacks.provision(integration=integration, actor=user)
    operation = make_operation(integration=integration)
    ended(operation, OperationStatus.FAILED)
    for user in (viewer, stranger):
        with pytest.raises(Forbidden):
            stacks.retry(operation=operation, actor=user)
    with pytest.raises(Forbidden):
        stacks.delete(integration=integration, actor=operator)


def test_what_happens_to_the_artifacts_has_to_be_chosen(integration: Integration, admin: User) -> None:
    with pytest.raises(Refused) as refused:
        stacks.delete(integration=integration, actor=admin, bucket="maybe")
    assert refused.value.field == "bucket"


def test_a_failed_deletion_is_retried_with_the_same_choice(integration: Integration, admin: User) -> None:
    failed = ended(stacks.delete(integration=integration, actor=admin, bucket="purge"), OperationStatus.FAILED)

    again = stacks.retry(operation=failed, actor=admin)

    assert (again.kind, again.options) == (OperationKind.DELETE, {"bucket": "purge"})


def test_an_operator_may_not_retry_a_deletion(integration: Integration, admin: User, operator: User) -> None:
    failed = ended(stacks.delete(integration=integration, actor=admin), OperationStatus.FAILED)
    with pytest.raises(Forbidden):
        stacks.retry(operation=failed, actor=operator)


def test_only_the_newest_failure_is_retried(integration: Integration, admin: User) -> None:
    first = ended(stacks.provision(integration=integration, actor=admin), OperationStatus.FAILED)
    second = ended(stacks.retry(operation=first, actor=admin), OperationStatus.SUCCEEDED)
    for operation in (first, second):
        with pytest.raises(NothingToRetry):
            stacks.retry(operation=operation, actor=admin)


def test_a_queued_operation_is_cancelled_at_once(integration: Integration, admin: User) -> None:
    operation = stacks.provision(integration=integration, actor=admin)
    assert stacks.cancel(operation=operation, actor=admin).status == OperationStatus.CANCELLED
    with pytest.raises(NotCancellable):
        stacks.cancel(operation=operation, actor=admin)
    stacks.provision(integration=integration, actor=admin)


@pytest.mark.parametrize(
    ("kind", "step", "possible"),
    [
        ("create", Step.PUBLISH, True),
        ("create", Step.WATCH, False),
        ("update", Step.WATCH, True),
        ("update", Step.VERIFY, False),
        ("delete", Step.WATCH_DELETION, False),
    ],
)
def test_a_running_operation_is_asked_to_stop_where_that_is_possible(
    integration: Integration, admin: User, kind: str, step: Step, possible: bool
) -> None:
    stack = make_stack(integration=integration)
    operation = make_operation(stack=stack, kind=kind, step=step, status=OperationStatus.RUNNING)
    if possible:
        assert stacks.cancel(operation=operation, actor=admin).cancel_requested
    else:
        with pytest.raises(NotCancellable):
            stacks.cancel(operation=operation, actor=admin)


@pytest.mark.django_db
def test_ready_stacks_of_git_pull_follow_their_provider() -> None:
    ready = make_stack(integration=make_integration(method=Method.GIT_PULL))
    provider = ready.integration.repository.provider

    def another(method: Method, aws_status: str) -> Stack:
        repository = make_repository(provider=provider)
        return make_stack(integration=make_integration(repository=repository, method=method), aws_status=aws_status)

    make_operation(stack=another(Method.GIT_PULL, "CREATE_COMPLETE"))
    another(Method.GIT_PULL, "")
    another(Method.ZIP_DOWNLOAD, "CREATE_COMPLETE")
    operator = make_user(team=provider.team, role=Role.OPERATOR)

    [operation] = stacks.follow_provider(provider=provider, actor=operator)

    assert (operation.stack, operation.kind, operation.requested_by) == (ready, OperationKind.UPDATE, operator)
    with pytest.raises(Forbidden):
        stacks.follow_provider(provider=provider, actor=make_user(team=provider.team, role=Role.VIEWER))

"""Leases: two workers never both advance an operation, and nothing stays with a dead one."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from deployers.models import Operation
from deployers.services import operations
from deployers.services.operations import MAX_ATTEMPTS, Lease
from deployers.states import NEXT, OperationStatus
from tests.factories import make_operation

T = TypeVar("T")


def in_threads(count: int, call: Callable[[], T]) -> list[T]:
    """What `call` returns in each of several threads that start at once."""
    results: list[T] = []
    barrier = threading.Barrier(count)

    def run() -> None:
        try:
            barrier.wait()
            results.append(call())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def claimed(operation: Operation) -> Lease:
    lease = operations.claim(operation.pk)
    assert lease is not None
    return lease


def let_expire(operation: Operation) -> None:
    Operation.objects.filter(pk=operation.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_exactly_one_gets_the_lease() -> None:
    operation = make_operation()

    leases = in_threads(8, lambda: operations.claim(operation.pk))

    assert len([lease for lease in leases if lease]) == 1
    operation.refresh_from_db()
    assert (operation.status, operation.fence) == (OperationStatus.RUNNING, 1)


@pytest.mark.django_db
def test_an_operation_is_not_claimed_before_its_time() -> None:
    operation = make_operation(next_at=timezone.now() + timedelta(minutes=1))

    assert operations.claim(operation.pk) is None
    assert operations.due(10) == []


@pytest.mark.django_db
def test_an_expired_lease_is_handed_out_and_its_late_holder_changes_nothing() -> None:
    operation = make_operation()
    late = claimed(operation)
    let_expire(operation)
    assert operations.sweep() == 1
    newer = claimed(operation)

    assert not operations.renew(late)
    assert not operations.release(late, after=timedelta(0), step="late")
    assert not operations.finish(late, OperationStatus.FAILED, problem="late")

    operation.refresh_from_db()
    assert (operation.status, operation.step, operation.attempts) == (OperationStatus.RUNNING, "", 1)
    assert newer.fence > late.fence
    assert operations.finish(newer, OperationStatus.SUCCEEDED)


@pytest.mark.django_db
def test_a_living_holder_keeps_its_lease() -> None:
    operation = make_operation()
    lease = claimed(operation)

    assert operations.sweep() == 0
    assert operations.renew(lease)


@pytest.mark.django_db(transaction=True)
def test_a_lease_is_renewed_while_a_step_takes_long(settings: Settings) -> None:
    settings.OPERATION_LEASE = 0.3
    operation = make_operation()
    lease = claimed(operation)
    with operations.kept(lease):
        threading.Event().wait(0.9)
        assert operations.sweep() == 0
    assert operations.finish(lease, OperationStatus.SUCCEEDED)


@pytest.mark.django_db
def test_an_operation_that_keeps_losing_workers_fails_with_a_reason() -> None:
    operation = make_operation()
    for _ in range(MAX_ATTEMPTS):
        assert operations.claim(operation.pk)
        let_expire(operation)
        operations.sweep()

    operation.refresh_from_db()
    assert (operation.status, operation.problem_code) == (OperationStatus.FAILED, "workers_lost")
    assert operation.finished_at is not None
    assert operations.claim(operation.pk) is None


@pytest.mark.django_db
@pytest.mark.parametrize("status", [status for status, following in NEXT.items() if not following])
def test_what_is_over_stays_over(status: OperationStatus) -> None:
    operation = make_operation()
    lease = claimed(operation)
    assert operations.finish(lease, status)

    assert not operations.finish(lease, OperationStatus.SUCCEEDED)
    assert not operations.release(lease, after=timedelta(0))
    assert not operations.cancel_queued(operation.pk)
    operation.refresh_from_db()
    assert operation.status == status


@pytest.mark.django_db
def test_only_an_untouched_operation_is_cancelled_at_once() -> None:
    queued, running = make_operation(), make_operation()
    claimed(running)

    assert operations.cancel_queued(queued.pk)
    assert not operations.cancel_queued(running.pk)


@pytest.mark.django_db
def test_the_longest_waiting_comes_first() -> None:
    now = timezone.now()
    later = make_operation(next_at=now - timedelta(seconds=1))
    sooner = make_operation(next_at=now - timedelta(seconds=9))
    new = make_operation()

    assert operations.due(10) == [new.pk, sooner.pk, later.pk]
    assert operations.due(1) == [new.pk]

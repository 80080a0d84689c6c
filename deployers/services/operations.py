"""Leases on operations: whoever holds one may advance its operation, and only its holder may write what came of it.

A claim is one conditional UPDATE that raises the operation's fence. A worker that lost its lease (it hung, or its host
slept) finds that neither owner nor fence are its own any more, and its result is dropped. Times are the database's.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from deployers.models import Operation
from deployers.states import ACTIVE, NEXT, OperationStatus

MAX_ATTEMPTS = 12


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to advance one operation, until it expires."""

    operation_id: UUID
    owner: str
    fence: int


def _length() -> timedelta:
    return timedelta(seconds=settings.OPERATION_LEASE)


def _owner() -> str:
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{threading.get_ident()}"


def due(limit: int) -> list[UUID]:
    """Operations that nobody holds and whose time has come, longest waiting first."""
    return list(_due().order_by(F("next_at").asc(nulls_first=True), "created_at").values_list("pk", flat=True)[:limit])


def _due() -> Any:
    return Operation.objects.filter(
        Q(next_at=None) | Q(next_at__lte=Now()),
        status__in=[OperationStatus.QUEUED, OperationStatus.RUNNING],
        owner="",
    )


def claim(operation_id: UUID) -> Lease | None:
    """Take the lease, or None if another worker has it, its time has not come, or it is finished."""
    owner = _owner()
    with transaction.atomic():
        row = _due().filter(pk=operation_id).select_for_update(skip_locked=True).only("fence").first()
        if row is None:
            return None
        lease = Lease(operation_id, owner, row.fence + 1)
        Operation.objects.filter(pk=operation_id).update(
            status=OperationStatus.RUNNING,
            owner=owner,
            fence=lease.fence,
            lease_until=Now() + _length(),
            started_at=Coalesce("started_at", Now()),
        )
    return lease


def _held(lease: Lease) -> Any:
    return Operation.objects.filter(
        pk=lease.operation_id, owner=lease.owner, fence=lease.fence, status__in=sorted(ACTIVE)
    )


def holds(lease: Lease) -> bool:
    """Whether the lease is still the holder's."""
    return bool(_held(lease).exists())


def renew(lease: Lease) -> bool:
    """Hold it for its full length from now on; False if it is lost."""
    return bool(_held(lease).update(lease_until=Now() + _length()))


@contextmanager
def kept(lease: Lease) -> Iterator[None]:
    """Renew the lease at a third of its length while the body runs, however long a call to AWS takes."""
    done = threading.Event()

    def keep() -> None:
        try:
            while not done.wait(_length().total_seconds() / 3) and renew(lease):
                pass
        finally:
            connection.close()

    keeper = threading.Thread(target=keep, name=f"lease-{lease.operation_id}", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


def release(lease: Lease, *, after: timedelta, **changes: Any) -> bool:
    """Give the lease back with what came of the step; not to be claimed before `after`. False if it was lost."""
    return bool(_held(lease).update(owner="", lease_until=None, next_at=Now() + after if after else None, **changes))


def finish(lease: Lease, to: OperationStatus, **changes: Any) -> bool:
    """End the operation. False if the lease was lost: someone else goes on, or went on, with it."""
    return _end(_held(lease), to, **changes)


def _end(rows: Any, to: OperationStatus, **changes: Any) -> bool:
    before = [status for status, following in NEXT.items() if to in following]
    return bool(
        rows.filter(status__in=before).update(
            status=to, owner="", lease_until=None, next_at=None, finished_at=Now(), **changes
        )
    )


def cancel_queued(operation_id: UUID) -> bool:
    """Cancel an operation that no worker has touched yet; False if one has."""
    return _end(
        Operation.objects.filter(pk=operation_id, status=OperationStatus.QUEUED, owner=""), OperationStatus.CANCELLED
    )


def resume(operation: Operation, *, approved: bool) -> bool:
    """Let an operation that waits for a person go on from its step; False if it does not wait (any more)."""
    options = {**operation.options, "approved": True} if approved else operation.options
    return bool(
        Operation.objects.filter(pk=operation.pk, status=OperationStatus.WAITING, step=operation.step, owner="").update(
            status=OperationStatus.RUNNING, options=options, next_at=None, step_started_at=Now()
        )
    )


def sweep() -> int:
    """Hand out the leases that ran out, and fail operations whose workers kept dying. Returns how many there were."""
    expired = Operation.objects.filter(status__in=sorted(ACTIVE), lease_until__lt=Now())
    hopeless = expired.filter(attempts__gte=MAX_ATTEMPTS - 1).update(
        status=OperationStatus.FAILED,
        problem_code="workers_lost",
        problem=f"{MAX_ATTEMPTS} workers in a row ended while they carried out this step.",
        remedy="Look at the workers' log, then press Retry.",
        attempts=F("attempts") + 1,
        owner="",
        lease_until=None,
        next_at=None,
        finished_at=Now(),
    )
    return hopeless + expired.update(attempts=F("attempts") + 1, owner="", lease_until=None, next_at=None)

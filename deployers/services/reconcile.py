"""The engine: takes one step of an operation under its lease, and writes down what came of it."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, assert_never

from django.db.models.functions import Now
from django.utils import timezone

from deployers.errors import CredentialsExpired, StackInProgress, Throttled
from deployers.models import Operation, OperationKind, StackKind
from deployers.services import operations
from deployers.services.operations import MAX_ATTEMPTS, Lease
from deployers.services.steps import apply, cancel, connect, remove, review, rotate, rotate_secret
from deployers.services.steps.work import Again, Ask, Done, Next, Outcome, Work
from deployers.states import OperationStatus, Step
from teams.errors import SluiceError

logger = logging.getLogger(__name__)

STEPS: dict[Step, Callable[[Work], Outcome]] = {
    Step.PREPARE: apply.prepare,
    Step.CLEAR: apply.clear,
    Step.REPAIR: apply.repair,
    Step.PUBLISH: apply.publish_packages,
    Step.CHANGE_SET: apply.change_set,
    Step.REVIEW: review.review,
    Step.EXECUTE: apply.execute,
    Step.WATCH: apply.watch,
    Step.OUTPUTS: connect.outputs,
    Step.WEBHOOK: connect.webhook,
    Step.DEPLOY_KEY: connect.deploy_key,
    Step.VERIFY: connect.verify,
    Step.NEW_KEY: rotate.new_key,
    Step.INSTALL_KEY: rotate.install_key,
    Step.PROBE_KEY: rotate.probe_key,
    Step.PASTE_KEY: rotate.paste_key,
    Step.PROMOTE_KEY: rotate.promote_key,
    Step.LET_FINISH: rotate.let_finish,
    Step.RETIRE_KEY: rotate.retire_key,
    Step.UNDO_KEY: rotate.undo_key,
    Step.NEW_SECRET: rotate_secret.new_secret,
    Step.SPREAD_SECRET: rotate_secret.spread_secret,
    Step.PROVE_SECRET: rotate_secret.prove_secret,
    Step.DROP_SECRET: rotate_secret.drop_secret,
    Step.UNHOOK: remove.unhook,
    Step.REMOVE_KEY: remove.remove_key,
    Step.STOP_DEPLOYMENTS: remove.stop_deployments,
    Step.PURGE: remove.purge,
    Step.DELETE_STACK: remove.delete_stack,
    Step.WATCH_DELETION: remove.watch_deletion,
    Step.FORGET: remove.forget,
}
# These say nothing of the operation: AWS is busy, and time alone helps.
_PATIENT = (Throttled, StackInProgress, CredentialsExpired)
_LONGEST_PAUSE = timedelta(minutes=1)
_LONGEST_ASKED = timedelta(minutes=10)


def advance(operation: Operation) -> bool:
    """Take the one next step, if nobody else is at it and its time has come.

    Looks at what AWS says now, so it may run twice or end anywhere. Returns whether the next step can be taken at
    once. Raises whatever is not a SluiceError, after noting the attempt.
    """
    lease = operations.claim(operation.pk)
    if lease is None:
        return False
    with operations.kept(lease):
        current = Operation.objects.select_related(
            "requested_by",
            "stack",
            "integration__aws_account",
            "integration__team",
            "integration__repository__provider",
        ).get(pk=operation.pk)
        current.step = current.step or first_step(current.kind, current.stack.kind if current.stack else StackKind.GIT)
        return _take(Work(current), lease)


def first_step(operation_kind: str, stack_kind: str) -> Step:
    """Where an operation begins with a stack."""
    if operation_kind == OperationKind.ROTATE_KEY:
        return Step.NEW_KEY
    if operation_kind == OperationKind.ROTATE_SECRET:
        return Step.NEW_SECRET
    if operation_kind != OperationKind.DELETE:
        return Step.PREPARE
    return Step.UNHOOK if stack_kind == StackKind.GIT else Step.STOP_DEPLOYMENTS


def _take(work: Work, lease: Lease) -> bool:
    operation = work.operation
    try:
        outcome = _outcome(work)
    except SluiceError as error:
        return _failed(work, lease, error)
    except Exception:
        _note_crash(operation, lease)
        raise
    return _settle(work, lease, outcome)


def _outcome(work: Work) -> Outcome:
    step = Step(work.operation.step)
    if work.operation.cancel_requested and (outcome := cancel.instead_of(step, work)) is not None:
        return outcome
    return STEPS[step](work)


def _settle(work: Work, lease: Lease, outcome: Outcome) -> bool:
    operation = work.operation
    changes: dict[str, Any] = {
        "options": work.options,
        "change_set_id": operation.change_set_id,
        "attempts": 0,
        "problem_code": "",
        "problem": "",
        "remedy": "",
    }
    match outcome:
        case Next(step):
            return operations.release(lease, after=timedelta(0), step=step, step_started_at=Now(), **changes)
        case Again(after):
            began = {} if operation.step_started_at else {"step_started_at": Now()}
            return operations.release(lease, after=after, step=operation.step, **began, **changes) and not after
        case Ask(step):
            changes |= {"status": OperationStatus.WAITING, "step": step, "step_started_at": Now()}
            operations.release(lease, after=timedelta(0), **changes)
            return False
        case Done(OperationStatus.SUCCEEDED) if work.options.get("then"):
            return _go_on(work, lease, changes)
        case Done(status, code, problem, remedy):
            changes |= {"problem_code": code, "problem": problem, "remedy": remedy}
            operations.finish(lease, status, step=operation.step, **changes)
            logger.info("operation %s %s", operation.pk, status)
            return False
        case _:
            assert_never(outcome)


def _go_on(work: Work, lease: Lease, changes: dict[str, Any]) -> bool:
    """This stack is as it should be; the operation has more of them."""
    kind, *rest = work.options["then"]
    done, now = work.operation.stack, timezone.now()
    began = datetime.fromisoformat(work.options["began"]) if "began" in work.options else work.operation.started_at
    if done is not None and began is not None:
        took = {done.kind: round((now - began).total_seconds(), 1)}
        work.options["took"] = work.options.get("took", {}) | took
    stack = work.go_on(kind)
    work.options |= {"then": rest, "began": now.isoformat()}
    changes |= {"stack": stack, "change_set_id": "", "step": first_step(work.operation.kind, kind)}
    return operations.release(lease, after=timedelta(0), step_started_at=Now(), **changes)


def _note_crash(operation: Operation, lease: Lease) -> None:
    changes = {"step": operation.step, "attempts": operation.attempts + 1}
    if operation.attempts + 1 < MAX_ATTEMPTS:
        operations.release(lease, after=_pause(operation.attempts), **changes)
        return
    operations.finish(
        lease,
        OperationStatus.FAILED,
        problem_code="internal_error",
        problem="Sluice itself failed at this step, several times.",
        remedy="Look at the workers' log, then press Retry.",
        **changes,
    )


def _failed(work: Work, lease: Lease, error: SluiceError) -> bool:
    operation = work.operation
    changes: dict[str, Any] = {
        "options": work.options,
        "change_set_id": operation.change_set_id,
        "step": operation.step,
        "problem_code": error.code,
        "problem": error.message,
        "remedy": error.remedy,
    }
    if error.retryable and (isinstance(error, _PATIENT) or operation.attempts + 1 < MAX_ATTEMPTS):
        attempts = operation.attempts + 1
        if isinstance(error, _PATIENT):
            attempts = min(attempts, MAX_ATTEMPTS - 2)
        operations.release(lease, after=_pause(operation.attempts, error), attempts=attempts, **changes)
        logger.info("operation %s waits at %s: %s", operation.pk, operation.step, error.code)
        return False
    rotate_secret.take_back(work)
    operations.finish(lease, OperationStatus.FAILED, **changes)
    logger.warning("operation %s failed at %s: %s", operation.pk, operation.step, error.code)
    return False


def _pause(attempts: int, error: SluiceError | None = None) -> timedelta:
    """Twice as long after each failure; as long as the other side asks for, if it does."""
    asked = getattr(error, "retry_after", None)
    if asked:
        return min(timedelta(seconds=float(asked)), _LONGEST_ASKED)
    return min(timedelta(seconds=2 ** min(attempts, 10)), _LONGEST_PAUSE)

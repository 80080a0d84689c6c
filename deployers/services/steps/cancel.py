"""Stopping an operation where that is safe."""

from deployers.aws import cloudformation
from deployers.services import history
from deployers.services.steps import rotate_secret
from deployers.services.steps.work import Again, Done, Next, Outcome, Work
from deployers.states import CANCELLABLE, UNDOABLE, OperationStatus, Step


def instead_of(step: Step, work: Work) -> Outcome | None:
    """What to do in place of a step, as a person asked to stop; None if the step has to go on."""
    if step in CANCELLABLE:
        return _before_execution(step, work)
    if step in UNDOABLE:
        return Next(Step.UNDO_KEY)
    if step is Step.PROVE_SECRET:
        return Done(
            OperationStatus.CANCELLED,
            problem="Cancelled; the stack takes the old webhook secret and the new one. Rotate again to go on with it.",
        )
    if step is Step.WATCH:
        return _roll_back(work)
    return None


def _before_execution(step: Step, work: Work) -> Outcome | None:
    if step in {Step.CHANGE_SET, Step.REVIEW, Step.EXECUTE}:
        stack = work.stack
        found = cloudformation.describe_change_set(
            work.access,
            name_or_id=work.operation.change_set_id or work.change_set_name,
            stack=stack.name,
        )
        if found is not None and found.executed:
            # By a worker that was lost right after; the step finds out and goes on to follow CloudFormation.
            return None
        if found is not None:
            cloudformation.delete_change_set(work.access, change_set_id=found.id)
        snapshot = work.look()
        if snapshot is not None and snapshot.status == "REVIEW_IN_PROGRESS":
            cloudformation.delete_stack(work.access, stack_id=snapshot.stack_id, token=work.token("cancel"))
            history.start_anew(stack)
    rotate_secret.take_back(work)
    told = "Cancelled before anything was changed."
    if work.part > 1:
        told = "Cancelled; the stack takes the old webhook secret too, until its next update."
    return Done(OperationStatus.CANCELLED, problem=told)


def _roll_back(work: Work) -> Outcome | None:
    """Updates can be undone half-way; creations cannot."""
    if work.options.get("rolling_back"):
        return None
    snapshot = work.look()
    if snapshot is None or snapshot.status != "UPDATE_IN_PROGRESS":
        return None
    cloudformation.cancel_update(work.access, stack_id=snapshot.stack_id, token=work.token("cancel"))
    work.options["rolling_back"] = True
    return Again()

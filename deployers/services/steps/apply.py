"""Creating and updating a stack: prepare, (clear or repair), publish, change set, execute, watch."""

from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.utils.crypto import salted_hmac

from deployers import requests, templates
from deployers.aws import cloudformation, service_linked_roles
from deployers.aws.cloudformation import ChangeSet, StackSnapshot
from deployers.errors import AccessDenied, AlreadyExistsAtAws, AwsError, NotFoundAtAws, RequestInvalid, StackBroken
from deployers.services import history, publish
from deployers.services.steps.parameters import stack_parameters
from deployers.services.steps.work import Again, Done, Next, Outcome, Work, set_stack
from deployers.states import OperationStatus, Step, in_progress

# How long AWS may take to show that it began what it was asked to.
GRACE = timedelta(seconds=30)
SOON = timedelta(seconds=1)
TURNS = 3
_REMAINS = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"}


def prepare(work: Work) -> Outcome:
    """See what there is, and which way leads from there to a stack as it should be."""
    snapshot = work.look()
    if snapshot is None and work.stack.stack_id:
        # Deleted, by us or by hand. Its name is free, or somebody's.
        history.start_anew(work.stack)
        snapshot = work.look()
    if snapshot is None or snapshot.status == "REVIEW_IN_PROGRESS":
        return Next(Step.PUBLISH)
    if in_progress(snapshot.status):
        return Again()
    if snapshot.status in _REMAINS:
        return Next(Step.CLEAR)
    if snapshot.status == "DELETE_FAILED":
        raise StackBroken(
            f"An earlier deletion of the stack {snapshot.name} stopped half-way.",
            remedy="Delete the integration and choose whether to keep the artifacts, then add it again.",
            code="delete_failed",
        )
    if snapshot.status == "UPDATE_ROLLBACK_FAILED":
        if work.options.get("repair"):
            return Next(Step.REPAIR)
        raise _rollback_failed(snapshot)
    return Next(Step.PUBLISH)


def _rollback_failed(snapshot: StackSnapshot) -> StackBroken:
    return StackBroken(
        f"CloudFormation could not undo an update of the stack {snapshot.name}: {snapshot.reason or 'no reason given'}",
        remedy="Remove the cause, then press Retry: it continues the rollback and applies the update again.",
        code="update_rollback_failed",
    )


def clear(work: Work) -> Outcome:
    """Delete the remains of a creation that failed: CloudFormation cannot go on with them."""
    snapshot = work.look()
    if snapshot is None:
        history.start_anew(work.stack)
        return Next(Step.PUBLISH)
    history.follow(work.access, work.stack)
    if in_progress(snapshot.status):
        return Again()
    if snapshot.status == "DELETE_FAILED":
        found = history.cause(work.access, work.stack, after=0)
        raise StackBroken(
            f"What the failed creation left cannot be deleted. {found.message if found else snapshot.reason}",
            remedy="Delete the stack in the AWS console, then press Retry.",
            code="delete_failed",
        )
    _refuse_protected(snapshot)
    cloudformation.delete_stack(work.access, stack_id=snapshot.stack_id, token=work.token("clear"))
    return Again()


def _refuse_protected(snapshot: StackSnapshot) -> None:
    if snapshot.termination_protection:
        raise StackBroken(
            f"The stack {snapshot.name} is protected against deletion.",
            remedy="Switch its termination protection off in the AWS console, then press Retry.",
            code="termination_protected",
        )


def repair(work: Work) -> Outcome:
    """Let CloudFormation continue the rollback of an update."""
    snapshot = work.look()
    if snapshot is None:
        return Next(Step.PREPARE)
    history.follow(work.access, work.stack)
    if in_progress(snapshot.status):
        return Again()
    if snapshot.status != "UPDATE_ROLLBACK_FAILED":
        return Next(Step.PREPARE)
    if not work.options.get("repairing"):
        cloudformation.continue_update_rollback(work.access, stack_id=snapshot.stack_id, token=work.token("repair"))
        work.options["repairing"] = True
        return Again()
    if work.step_age < GRACE:
        return Again()
    raise _rollback_failed(snapshot)


def publish_packages(work: Work) -> Outcome:
    """Put template and packages into the stack's region, and make the roles that services need beforehand."""
    _make_linked_roles(work)
    found = publish.publish(kind=work.kind, region=work.stack.region, account=work.integration.aws_account)
    work.options["published"] = {
        "bucket": found.bucket,
        "prefix": found.prefix,
        "template_url": found.template_url,
        "templates_url": found.templates_url,
    }
    return Next(Step.CHANGE_SET)


def _make_linked_roles(work: Work) -> None:
    """The first cluster of an account fails where ECS makes its role with it: the role is not there soon enough.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
    """
    if work.stack.aws_status not in {"", "REVIEW_IN_PROGRESS"}:
        return
    for service in work.kind.linked_roles:
        # The role may be there though we may not make it; if not, the stack fails and says so.
        with suppress(AccessDenied):
            service_linked_roles.make(work.access, service)


def change_set(work: Work) -> Outcome:
    """Have CloudFormation compute what would change; with no change the stack is as it should be."""
    stack, operation = work.stack, work.operation
    if not operation.change_set_id:
        return _create_change_set(work)
    found = cloudformation.describe_change_set(work.access, name_or_id=operation.change_set_id, stack=stack.name)
    if found is None:
        operation.change_set_id = ""
        return Again(SOON)
    if found.pending:
        return Again(SOON)
    if found.executed:
        return Next(Step.WATCH)
    if found.empty:
        cloudformation.delete_change_set(work.access, change_set_id=found.id)
        return Next(Step.OUTPUTS)
    if not found.executable:
        raise _refused(work, found)
    work.look()
    history.follow(work.access, stack)
    work.options["after_event"] = history.last_event(stack)
    set_stack(stack, resources_done=0, resources_total=_touched(work, found))
    return Next(Step.REVIEW if work.options.get("review") else Step.EXECUTE)


def _touched(work: Work, found: ChangeSet) -> int:
    """How many resources the change set touches; nested stacks count by what is in them."""
    if not work.kind.nested:
        return found.changes
    inside = cloudformation.changes(work.access, change_set_id=found.id)
    return sum(each.resource_type != "AWS::CloudFormation::Stack" for each in inside)


def _refused(work: Work, found: ChangeSet) -> StackBroken:
    why = history.refusal(work.access, stack_id=found.stack_id, change_set_id=found.id)
    cloudformation.delete_change_set(work.access, change_set_id=found.id)
    return StackBroken(
        f"CloudFormation cannot make the change. {why.message if why else found.reason or found.status}",
        remedy=why.remedy if why else "Remove the cause, then press Retry.",
        code="change_set_failed",
    )


def _create_change_set(work: Work) -> Outcome:
    stack, operation = work.stack, work.operation
    parameters = stack_parameters(work)
    secret = {
        name: value for name, value in parameters.items() if name in templates.secret_parameters(work.kind.template)
    }
    digest = requests.parameters_digest(
        secret, key=salted_hmac("deployers.parameters", "", algorithm="sha256").digest()
    )
    work.options["digest"] = digest
    # REVIEW_IN_PROGRESS is a stack that was never executed: it has no previous values.
    create = stack.aws_status in {"", "REVIEW_IN_PROGRESS"}
    unchanged = set() if create or digest != stack.parameters_digest else set(secret)
    name = work.change_set_name
    request = requests.change_set(
        stack=stack.name if create else stack.stack_id,
        name=name,
        create=create,
        template_url=work.options["published"]["template_url"],
        capabilities=work.kind.capabilities,
        parameters=parameters,
        unchanged_secrets=unchanged,
        stack_tags=stack_tags(work),
        nested=bool(work.kind.nested),
        description=f"{operation.get_kind_display()} by {operation.requested_by or 'the system'}",
    )
    try:
        change_set_id, stack_id = cloudformation.create_change_set(work.access, request)
    except AlreadyExistsAtAws as error:
        found = _our_change_set(work, name)
        if found is None:
            return _look_again(work, error)
        change_set_id, stack_id = found.id, found.stack_id
    except NotFoundAtAws as error:
        return _look_again(work, error)
    operation.change_set_id = change_set_id
    if stack_id != stack.stack_id:
        set_stack(stack, stack_id=stack_id, aws_status="REVIEW_IN_PROGRESS")
    return Again(timedelta(0))


def _look_again(work: Work, error: AwsError) -> Outcome:
    """A stack came or went in between: what is there now decides. Raises the error when that does not end."""
    work.options["turns"] = int(work.options.get("turns", 0)) + 1
    if work.options["turns"] > TURNS:
        raise error
    return Next(Step.PREPARE)


def _our_change_set(work: Work, name: str) -> ChangeSet | None:
    found = cloudformation.describe_change_set(work.access, name_or_id=name, stack=work.stack.name)
    if found is None or found.tags.get(requests.OWNER_TAG) != str(work.integration.pk):
        return None
    return found


def stack_tags(work: Work) -> dict[str, str]:
    return requests.tags(
        integration_id=work.integration.pk,
        integration_name=work.integration.name,
        team=work.integration.team.name,
        panel_url=settings.PANEL_URL,
    )


def execute(work: Work) -> Outcome:
    """Start the change set, unless that happened already."""
    stack, operation = work.stack, work.operation
    found = cloudformation.describe_change_set(work.access, name_or_id=operation.change_set_id, stack=stack.name)
    if found is None:
        # Executed and cleaned up, or deleted by somebody: a new one tells, by being empty or not.
        operation.change_set_id = ""
        return Next(Step.PREPARE)
    if found.executable:
        try:
            cloudformation.execute_change_set(work.access, change_set_id=found.id, token=work.token("execute"))
        except RequestInvalid as error:
            if error.aws_code != "InvalidChangeSetStatus":
                raise
            return Again(SOON)
    return Next(Step.WATCH)


def watch(work: Work) -> Outcome:
    """Follow CloudFormation until it is through, and tell why if it failed."""
    snapshot = work.look()
    if snapshot is None:
        raise StackBroken(
            f"The stack {work.stack.name} was deleted while it was worked on.",
            remedy="Press Retry to create it anew.",
            code="stack_gone",
        )
    after = int(work.options.get("after_event", 0))
    history.follow(work.access, work.stack)
    history.count_done(work.stack, after=after)
    if in_progress(snapshot.status):
        return Again()
    change = cloudformation.describe_change_set(
        work.access, name_or_id=work.operation.change_set_id, stack=snapshot.stack_id
    )
    if change is not None and change.executable:
        return Next(Step.EXECUTE)
    if change is not None and change.execution_status == "EXECUTE_IN_PROGRESS" and work.step_age < GRACE:
        return Again(SOON)
    if snapshot.status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        return Next(Step.OUTPUTS)
    if work.operation.cancel_requested and snapshot.status == "UPDATE_ROLLBACK_COMPLETE":
        return Done(OperationStatus.CANCELLED, problem="The update was cancelled; the stack is as it was before.")
    raise _failure(work, snapshot, after)


def _failure(work: Work, snapshot: StackSnapshot, after: int) -> StackBroken:
    found = history.cause(work.access, work.stack, after=after)
    why = found.message if found else snapshot.reason or "AWS gave no reason"
    remedy = found.remedy if found else "Look at the events, then press Retry."
    match snapshot.status:
        case "UPDATE_ROLLBACK_COMPLETE":
            return StackBroken(
                f"The update failed and was undone; the stack is as it was before. {why}",
                remedy=remedy,
                code="update_rolled_back",
            )
        case "UPDATE_ROLLBACK_FAILED":
            return _rollback_failed(snapshot)
        case _:
            return StackBroken(
                f"The stack could not be created. {why}",
                remedy=f"{remedy} Retry removes what is left and creates the stack anew.",
                code="rolled_back",
            )

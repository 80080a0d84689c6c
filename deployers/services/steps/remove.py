"""Deleting an integration: webhook and deploy key at the provider, objects if asked, stack, and our rows."""

from collections.abc import Callable
from datetime import timedelta

from deployers.aws import cloudformation, codedeploy, codepipeline, ecr, s3
from deployers.aws.cloudformation import Resource, StackSnapshot
from deployers.errors import RequestInvalid, StackBroken
from deployers.models import StackKind
from deployers.services import history
from deployers.services.deployments.groups import active
from deployers.services.deployments.sync import abandon
from deployers.services.steps.apply import GRACE
from deployers.services.steps.connect import PROVIDER_TRIES
from deployers.services.steps.work import Again, Done, Next, Outcome, Work, set_stack
from deployers.states import Step, in_progress
from integrations.errors import ProviderError
from integrations.services import ssh_keys, webhooks

OUTPUT_BUCKET, CACHE_BUCKET = "OutputBucket", "CacheBucket"
REGISTRY = "Registry"
PURGE_SECONDS = 10.0
BATCH = 5_000
ROUNDS = 3
_BUCKET = "AWS::S3::Bucket"


def unhook(work: Work) -> Outcome:
    """Remove the webhook first, so that nothing new comes in."""
    _let_go(
        work,
        lambda: webhooks.remove(integration=work.integration),
        "The webhook may still be at the provider; remove it there.",
    )
    return Next(Step.REMOVE_KEY)


def remove_key(work: Work) -> Outcome:
    """Remove the deploy keys."""
    for key in work.integration.ssh_keys.all():
        _let_go(
            work,
            lambda key=key: ssh_keys.remove(key=key),  # type: ignore[misc]
            f"The deploy key {key.fingerprint} may still be at the provider; remove it there.",
        )
    if work.operation.stack is None:
        return Next(Step.FORGET)
    return Next(Step.PURGE if work.options.get("bucket") == "purge" else Step.DELETE_STACK)


def _let_go(work: Work, call: Callable[[], None], leftover: str) -> None:
    """Call the provider; what it refuses is noted, and does not hold up the deletion."""
    try:
        call()
    except ProviderError as error:
        if error.retryable and work.operation.attempts < PROVIDER_TRIES:
            raise
        leftovers = work.options.setdefault("leftovers", [])
        if leftover not in leftovers:
            leftovers.append(leftover)


def stop_deployments(work: Work) -> Outcome:
    """Nothing is deployed to what goes away: first no deployment runs any more, and what a pipeline made is gone."""
    if work.operation.stack is None or work.look() is None:
        return Next(Step.FORGET)
    stack = work.stack
    if running := active(stack, work.access):
        for each in running:
            if stack.kind == StackKind.ECS:
                _stop_run(work, each)
            else:
                codedeploy.stop(work.access, each, roll_back=False)
        return Again()
    if stack.kind == StackKind.ECS and _service_is_there(work):
        return Again()
    if stack.kind == StackKind.ECS and work.options.get("bucket") == "purge":
        ecr.empty(work.access, repository=stack.outputs.get("ECR", ""))
    return Next(Step.DELETE_STACK)


def _stop_run(work: Work, execution: str) -> None:
    try:
        codepipeline.stop(
            work.access, work.stack.outputs["Pipeline"], execution, reason="The stack is deleted", abandon=True
        )
    except RequestInvalid as error:
        # It stops already, or came to its end just now.
        if error.aws_code not in {"DuplicatedStopRequestException", "PipelineExecutionNotStoppableException"}:
            raise


def _service_is_there(work: Work) -> bool:
    """Whether the service's stack, which the pipeline made, is still there; its deletion is under way then.

    Raises StackBroken if it still cannot be deleted after this operation tried.
    """
    name = work.stack.outputs.get("ServiceStackName", "")
    found = cloudformation.describe(work.access, name) if name else None
    if found is None or found.status == history.GONE:
        return False
    tried = bool(work.options.get("service_deleted"))
    if found.status == "DELETE_FAILED" and tried:
        if work.step_age < GRACE:  # that may be what was there before
            return True
        raise StackBroken(
            f"The service's stack {name} could not be deleted. {found.reason}",
            remedy="Remove the cause or delete that stack in the AWS console, then press Retry.",
            code="delete_failed",
        )
    if not in_progress(found.status):
        cloudformation.delete_stack(work.access, stack_id=found.stack_id, token=work.token("delete-service"))
        work.options["service_deleted"] = True
    return True


def purge(work: Work) -> Outcome:
    """Empty the buckets, a bounded time at once."""
    if work.look() is None:
        return Next(Step.FORGET)
    buckets = [
        each.physical_id
        for each in cloudformation.resources(work.access, work.stack.stack_id)
        if each.resource_type == _BUCKET and each.physical_id and each.status != "DELETE_COMPLETE"
    ]
    for bucket in buckets:
        if not s3.purge(work.access, bucket=bucket, seconds=PURGE_SECONDS):
            return Again(timedelta(0))
    return Next(Step.DELETE_STACK)


def delete_stack(work: Work) -> Outcome:
    """Start the deletion, once CloudFormation is done with whatever it does."""
    snapshot = work.look()
    if snapshot is None:
        return Next(Step.FORGET)
    history.follow(work.access, work.stack)
    if snapshot.status == "DELETE_IN_PROGRESS":
        return Next(Step.WATCH_DELETION)
    if in_progress(snapshot.status):
        return Again()
    if snapshot.termination_protection:
        raise StackBroken(
            f"The stack {snapshot.name} is protected against deletion.",
            remedy="Switch its termination protection off in the AWS console, then press Retry.",
            code="termination_protected",
        )
    left = cloudformation.resources(work.access, snapshot.stack_id)
    total = sum(each.status != "DELETE_COMPLETE" for each in left)
    set_stack(work.stack, resources_done=0, resources_total=total)
    work.options["after_event"] = history.last_event(work.stack)
    # DELETE_FAILED comes from an earlier operation here: this one starts with what keeping or purging needs.
    if snapshot.status == "DELETE_FAILED":
        return _once_more(work, snapshot)
    cloudformation.delete_stack(work.access, stack_id=snapshot.stack_id, token=work.token("delete"))
    return Next(Step.WATCH_DELETION)


def watch_deletion(work: Work) -> Outcome:
    """Follow CloudFormation until the stack is gone; past a bucket that is not empty it needs help."""
    snapshot = work.look()
    if work.stack.stack_id:
        history.follow(work.access, work.stack)
        history.count_done(work.stack, after=int(work.options.get("after_event", 0)))
    if snapshot is None:
        return Next(Step.FORGET)
    if in_progress(snapshot.status):
        return Again()
    if snapshot.status == "DELETE_FAILED":
        return _once_more(work, snapshot)
    # AWS has not begun yet, or somebody stopped it.
    return Again() if work.step_age < GRACE else Next(Step.DELETE_STACK)


def _once_more(work: Work, snapshot: StackSnapshot) -> Outcome:
    """Delete a stack in DELETE_FAILED again: leave the bucket behind, or empty it once more."""
    failed = [
        each for each in cloudformation.resources(work.access, snapshot.stack_id) if each.status == "DELETE_FAILED"
    ]
    rounds = int(work.options.get("rounds", 0))
    stubborn = [each for each in failed if each.resource_type != _BUCKET and each.logical_id != REGISTRY]
    if rounds >= ROUNDS or (stubborn and rounds):
        raise _stuck(work, snapshot)
    retain = _retained(work, failed)
    full = [each.physical_id for each in failed if each.resource_type == _BUCKET and each.logical_id not in retain]
    for bucket in full:
        if not s3.purge(work.access, bucket=bucket, seconds=PURGE_SECONDS):
            return Again(timedelta(0))
    # Another token each time: CloudFormation takes the same one for the same, finished request.
    work.options["rounds"] = rounds + 1
    cloudformation.delete_stack(
        work.access, stack_id=snapshot.stack_id, token=work.token(f"delete-{rounds + 1}"), retain=retain
    )
    return Next(Step.WATCH_DELETION)


def _retained(work: Work, failed: list[Resource]) -> list[str]:
    if work.options.get("bucket") == "purge":
        return []
    kept = [each for each in failed if each.logical_id in {OUTPUT_BUCKET, REGISTRY}]
    for each in kept:
        if each.logical_id == OUTPUT_BUCKET:
            work.options["kept_bucket"] = each.physical_id
        else:
            leftovers = work.options.setdefault("leftovers", [])
            leftovers.append(f"The registry {work.stack.outputs.get('ECR', '')} was kept, with its images.")
    return [each.logical_id for each in kept]


def _stuck(work: Work, snapshot: StackSnapshot) -> StackBroken:
    found = history.cause(work.access, work.stack, after=int(work.options.get("after_event", 0)))
    return StackBroken(
        f"The stack {snapshot.name} could not be deleted. {found.message if found else snapshot.reason}",
        remedy="Remove the cause, then press Retry.",
        code="delete_failed",
    )


def forget(work: Work) -> Outcome:
    """Delete our rows; many take several turns. A deployer's stack takes only its own row with it."""
    integration = work.operation.integration
    stack = work.operation.stack
    if stack is not None and stack.kind != StackKind.GIT:
        if work.options.get("only"):
            abandon(stack=stack)
            stack.delete()
        return Done()
    if work.options.get("only"):
        return Done()
    if integration is not None:
        for rows in (integration.deployments, integration.artifacts, integration.deliveries):
            some = list(rows.values_list("pk", flat=True)[:BATCH])
            if some:
                rows.filter(pk__in=some).delete()
                return Again(timedelta(0))
        integration.delete()
    leftovers = list(work.options.get("leftovers", []))
    if bucket := work.options.get("kept_bucket"):
        leftovers.append(f"The bucket {bucket} was kept, with its artifacts.")
    return Done(code="leftovers" if leftovers else "", problem=" ".join(leftovers))

"""Brings into rows what CodePipeline says of the runs of an ECS stack's pipeline."""

from django.db import transaction

from deployers.aws import codepipeline
from deployers.aws.codepipeline import Action, Execution
from deployers.aws.session import Access
from deployers.image_causes import build_cause
from deployers.models import Deployment, DeploymentStep, Stack, Trigger
from deployers.services import accounts, outputs
from deployers.services.deployments import service_events
from deployers.services.deployments.service_events import Explanation
from deployers.states import DeploymentStatus, deployment_status
from integrations.models import Deployer
from lambdas.common.keys import artifact_key
from lambdas.common.refs import BRANCH_PREFIX, Ref

MOST = 50
_APPROVAL, _BUILD, _DEPLOY = "Manual", "CodeBuild", "CloudFormation"


def name(stack: Stack) -> str:
    """The stack's pipeline; empty before it is there."""
    return str(stack.outputs.get("Pipeline", ""))


def sync(stack: Stack) -> list[str]:
    """Read the runs that are new or say something else than before; their ids. Raises errors of AWS."""
    pipeline = name(stack)
    if not pipeline:
        return []
    access = accounts.access(stack.integration.aws_account, stack.region)
    # The one that CodePipeline starts when a pipeline is made takes nothing, and fails.
    found = [each for each in codepipeline.executions(access, pipeline, most=MOST) if each.version_id]
    known = dict(
        stack.deployments.filter(external_id__in=[each.id for each in found]).values_list("external_id", "aws_status")
    )
    changed = [
        each for each in reversed(found) if each.status in codepipeline.ACTIVE or known.get(each.id) != each.status
    ]
    for execution in changed:
        _store(stack, access, execution, codepipeline.actions(access, pipeline, execution.id))
    return [each.id for each in changed]


def _store(stack: Stack, access: Access, execution: Execution, actions: list[Action]) -> None:
    failed = [each for each in actions if each.status == "Failed"]
    log, explained = "", Explanation()
    if failed and failed[0].provider == _BUILD and failed[0].external_id:
        log = codepipeline.build_log(access, failed[0].external_id)
        explained = Explanation(*(build_cause(log) or ()))
    if failed and failed[0].provider == _DEPLOY:
        explained = service_events.explain(stack, access, since=failed[0].started_at)
        log = explained.log
    status = _status(execution, actions)
    with transaction.atomic():
        row, _ = Deployment.objects.select_for_update().get_or_create(
            integration=stack.integration,
            external_id=execution.id,
            defaults={
                "stack": stack,
                "deployer": Deployer.ECS,
                "trigger": _trigger(execution),
                "created_at": execution.started_at,
            },
        )
        row.bucket, row.key = _source(stack)
        row.version_id = execution.version_id
        row.status, row.aws_status = status, execution.status
        row.started_at = execution.started_at
        row.finished_at = execution.updated_at if status.finished else None
        row.problem, row.remedy = _problem(failed, explained) if status == DeploymentStatus.FAILED else ("", "")
        row.save()
        _store_steps(row, actions, failed[0] if failed else None, log)


def _trigger(execution: Execution) -> Trigger:
    if execution.first:
        return Trigger.FIRST
    return Trigger.PUSH if execution.by_rule else Trigger.OTHER


def _source(stack: Stack) -> tuple[str, str]:
    """Bucket and key of the artifact that the pipeline takes."""
    integration = stack.integration
    ref = Ref.parse(f"{BRANCH_PREFIX}{integration.deploy_ref}")
    bucket = outputs.of(integration).get("OutputBucketName", "")
    return bucket, artifact_key(integration.repository.full_name, ref)


def _status(execution: Execution, actions: list[Action]) -> DeploymentStatus:
    waits = any(each.provider == _APPROVAL and each.status == "InProgress" for each in actions)
    if execution.status == "InProgress" and waits:
        return DeploymentStatus.WAITING
    return deployment_status(execution.status)


def _problem(failed: list[Action], explained: Explanation) -> tuple[str, str]:
    if not failed:
        return "The pipeline failed.", "Look at it in the AWS console."
    first = failed[0]
    if first.provider == _APPROVAL:
        return f"It was rejected. {first.summary}".strip(), "Push a commit that can be approved."
    remedy = explained.remedy or "Remove the cause, then press Retry; or push a commit that mends it."
    why = explained.problem or first.error or first.summary or "no reason given"
    return f"{first.stage} failed: {why}", remedy


def _store_steps(row: Deployment, actions: list[Action], failed: Action | None, log: str) -> None:
    steps = [
        DeploymentStep(
            deployment=row,
            group=each.stage,
            name=each.name,
            position=position,
            status=DeploymentStatus.WAITING
            if each.provider == _APPROVAL and each.status == "InProgress"
            else deployment_status(each.status),
            aws_status=each.status,
            started_at=each.started_at,
            finished_at=each.updated_at if each.status != "InProgress" else None,
            message=each.error or each.summary,
            log_tail=log if each is failed else "",
            url=each.url[:500],
        )
        for position, each in enumerate(actions)
    ]
    fields = ["position", "status", "aws_status", "started_at", "finished_at", "message", "log_tail", "url"]
    DeploymentStep.objects.bulk_create(
        steps, update_conflicts=True, unique_fields=["deployment", "group", "name"], update_fields=fields
    )

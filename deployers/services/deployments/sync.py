"""Brings into rows what CodeDeploy and CodePipeline say, whoever started a deployment."""

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import BooleanField, Case, Exists, F, OuterRef, Q, Value, When
from django.utils import timezone

from deployers.aws import codedeploy
from deployers.aws.codedeploy import DeploymentInfo
from deployers.aws.session import Access
from deployers.errors import AwsError, NotFoundAtAws, RequestInvalid
from deployers.models import Artifact, Deployment, DeploymentStep, Operation, OperationKind, Stack, StackKind, Trigger
from deployers.services import accounts
from deployers.services.deployments import pipelines
from deployers.services.deployments.groups import group
from deployers.states import ACTIVE, DeploymentStatus, deployment_status
from integrations.models import Delivery, Deployer

logger = logging.getLogger(__name__)

# What came while nobody looked, for a stack that was read before; all there is, up to this many, for another.
OVERLAP = timedelta(minutes=5)
MOST = 200
FRESH = timedelta(seconds=2)
RESTING = timedelta(seconds=15)
RECENT = timedelta(minutes=30)
_UNFINISHED = [status for status in DeploymentStatus if not status.finished]


def sync(*, stack: Stack) -> int:
    """Read a stack's deployments that are new or not finished; return how many there were. Raises errors of AWS."""
    if stack.kind == StackKind.ECS:
        read = pipelines.sync(stack)
        _complete(stack, read)
    else:
        read = _sync_group(stack)
    Stack.objects.filter(pk=stack.pk).update(deployments_synced_at=timezone.now())
    return len(read)


def _sync_group(stack: Stack) -> list[str]:
    found = group(stack)
    if found is None:
        return []
    integration = stack.integration
    access = accounts.access(integration.aws_account, stack.region)
    newest = stack.deployments.order_by("-created_at").values_list("created_at", flat=True).first()
    ids: list[str] = []
    for each in codedeploy.deployment_ids(access, found, since=newest - OVERLAP if newest else None):
        ids.append(each)
        if len(ids) == MOST:
            break
    finished = set(
        stack.deployments.filter(external_id__in=ids)
        .exclude(status__in=_UNFINISHED)
        .values_list("external_id", flat=True)
    )
    still = stack.deployments.filter(status__in=_UNFINISHED).values_list("external_id", flat=True)
    wanted = [each for each in dict.fromkeys([*ids, *still]) if each not in finished]
    infos = sorted(codedeploy.describe(access, wanted), key=lambda info: info.created_at) if wanted else []
    for info in infos:
        _store(stack, access, info)
    _complete(stack, [info.id for info in infos])
    return [info.id for info in infos]


def _store(stack: Stack, access: Access, info: DeploymentInfo) -> None:
    targets = _targets(access, info)
    status = deployment_status(info.status, rolled_back=bool(info.rolled_back_by))
    with transaction.atomic():
        row, made = Deployment.objects.select_for_update().get_or_create(
            integration=stack.integration,
            external_id=info.id,
            defaults={
                "stack": stack,
                "deployer": Deployer.CODEDEPLOY,
                "trigger": Trigger.ROLLBACK if info.creator == "codeDeployRollback" else Trigger.OTHER,
                "created_at": info.created_at,
            },
        )
        if not made and (row.finished or _stale(row, status)):
            return
        if info.revision is not None:
            row.bucket, row.key, row.version_id = info.revision.bucket, info.revision.key, info.revision.version_id
        row.status, row.aws_status = status, info.status
        row.started_at, row.finished_at = info.started_at, info.finished_at
        row.instances = dict(info.overview)
        row.description = info.description
        row.problem, row.remedy = _problem(info, targets) if status.finished else ("", "")
        if info.rolls_back and row.rolls_back_id is None:
            row.rolls_back = Deployment.objects.filter(
                integration=stack.integration, external_id=info.rolls_back
            ).first()
        row.save()
        # CodeDeploy may name the rollback only after the failure was read, and that is final but for this.
        Deployment.objects.filter(rollbacks=row, status=DeploymentStatus.FAILED).update(
            status=DeploymentStatus.ROLLED_BACK
        )
        _store_steps(row, targets)


def _stale(row: Deployment, status: DeploymentStatus) -> bool:
    """Whether this was read before what the row says already, as two workers' answers may cross."""
    return row.status == DeploymentStatus.DEPLOYING and status == DeploymentStatus.QUEUED


def _targets(access: Access, info: DeploymentInfo) -> list[codedeploy.Target]:
    """Its instances; none if CodeDeploy does not tell, so that one deployment holds up no other."""
    try:
        return codedeploy.targets(access, info.id)
    except (NotFoundAtAws, RequestInvalid) as error:
        logger.warning("deployment %s: its instances cannot be read: %s", info.id, error)
        return []


def _complete(stack: Stack, just_read: Sequence[str]) -> None:
    """Tell deployments their artifacts, which may be read later than they are."""
    looked_at = Q(created_at__gt=timezone.now() - RECENT) | Q(external_id__in=just_read)
    rows = list(stack.deployments.filter(looked_at, artifact=None).exclude(version_id=""))
    if not rows:
        return
    known = {
        (artifact.key, artifact.version_id): artifact
        for artifact in Artifact.objects.filter(
            integration=stack.integration_id, version_id__in=[row.version_id for row in rows]
        ).select_related("delivery")
    }
    for row in rows:
        artifact = known.get((row.key, row.version_id))
        if artifact is None:
            continue
        # The deploy function's description begins with the commit; people's and the panel's with a word.
        pushed = (
            row.trigger == Trigger.OTHER and bool(artifact.commit) and row.description.startswith(artifact.commit[:12])
        )
        Deployment.objects.filter(pk=row.pk).update(
            artifact=artifact,
            ref=artifact.ref,
            commit=artifact.commit,
            author=artifact.author,
            message=artifact.message,
            pushed_at=artifact.delivery.received_at if artifact.delivery else artifact.created_at,
            **({"trigger": Trigger.PUSH} if pushed else {}),
        )


def _problem(info: DeploymentInfo, targets: Sequence[codedeploy.Target]) -> tuple[str, str]:
    """What went wrong first, and what to do about it."""
    if info.status == "Succeeded":
        return "", ""
    failed = [(target, event) for target in targets for event in target.events if event.status == "Failed"]
    if not failed:
        return info.error, "Look at the deployment in the AWS console." if info.status == "Failed" else ""
    target, event = failed[0]
    what = f"{event.script} failed" if event.script else "It failed"
    return (
        f"{what} at {event.name} on {target.instance}: {event.message}",
        "Its last lines are below. Push a commit that mends it, or redeploy an artifact that ran before.",
    )


def _store_steps(row: Deployment, targets: Sequence[codedeploy.Target]) -> None:
    steps = [
        DeploymentStep(
            deployment=row,
            group=target.instance,
            name=event.name,
            position=position,
            status=deployment_status(event.status),
            aws_status=event.status,
            started_at=event.started_at,
            finished_at=event.finished_at,
            script=event.script[:1024],
            message=event.message if event.status == "Failed" else "",
            log_tail=event.log_tail,
        )
        for target in targets
        for position, event in enumerate(target.events)
    ]
    DeploymentStep.objects.bulk_create(
        steps,
        update_conflicts=True,
        unique_fields=["deployment", "group", "name"],
        update_fields=[
            "position",
            "status",
            "aws_status",
            "started_at",
            "finished_at",
            "script",
            "message",
            "log_tail",
        ],
    )


def abandon(*, stack: Stack) -> int:
    """End the deployments of a stack that is gone, as nobody tells of them any more; returns how many."""
    return stack.deployments.filter(status__in=_UNFINISHED).update(
        status=DeploymentStatus.CANCELLED,
        finished_at=timezone.now(),
        problem="It had not ended when its stack was deleted.",
        remedy="",
    )


def due(limit: int) -> list[UUID]:
    """Stacks whose deployments to read next: where one runs or a push just came first, then the longest unread."""
    now = timezone.now()
    running = Deployment.objects.filter(stack=OuterRef("pk"), status__in=_UNFINISHED)
    recent = Delivery.objects.filter(integration=OuterRef("integration"), received_at__gt=now - RECENT)
    going = Operation.objects.filter(
        integration=OuterRef("integration"), kind=OperationKind.DELETE, status__in=sorted(ACTIVE)
    )
    busy = Case(
        When(Exists(running), then=Value(True)),
        When(Exists(recent), then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )
    found = (
        Stack.objects.annotate(busy=busy)
        .filter(~Exists(going), outputs__has_any_keys=["CodeDeploymentGroup", "Pipeline"])
        .filter(
            Q(deployments_synced_at=None)
            | Q(busy=True, deployments_synced_at__lt=now - FRESH)
            | Q(deployments_synced_at__lt=now - RESTING)
        )
        .order_by("-busy", F("deployments_synced_at").asc(nulls_first=True))
    )
    return list(found.values_list("pk", flat=True)[:limit])


def sync_due(*, limit: int = 100, seconds: float = 20.0) -> int:
    """Read the deployments of the stacks that are due, within a bounded time. Returns how many there were."""
    read, stop_at = 0, time.monotonic() + seconds
    for key in due(limit):
        if time.monotonic() > stop_at:
            break
        stack = Stack.objects.select_related("integration__aws_account").filter(pk=key).first()
        if stack is None or not _take(stack):
            continue
        try:
            read += sync(stack=stack)
        except AwsError as error:
            logger.warning("stack %s: deployments cannot be read: %s", key, error)
    return read


def _take(stack: Stack) -> bool:
    """Whether no other worker took it since it was looked up."""
    seen = stack.deployments_synced_at
    return bool(
        Stack.objects.filter(pk=stack.pk, deployments_synced_at=seen).update(deployments_synced_at=timezone.now())
    )

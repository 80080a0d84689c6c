"""What people ask of deployments: an artifact once more, back to the last good one, stop."""

import uuid

from django.db import transaction
from django.utils import timezone

from deployers.aws import codedeploy, codepipeline, s3
from deployers.aws.session import Access
from deployers.errors import AwsError
from deployers.models import Artifact, Deployment, Stack, StackKind, Trigger
from deployers.services import accounts
from deployers.services.deployments import pipelines
from deployers.services.deployments.groups import active, group
from deployers.services.deployments.sync import sync
from deployers.states import DeploymentStatus
from integrations.models import Deployer, Integration
from teams import policy
from teams.errors import Refused
from teams.models import User
from teams.policy import Act
from teams.services import audit


def redeploy(*, artifact: Artifact, actor: User) -> Deployment:
    """Deploy an artifact once more. Raises Forbidden, Refused and the errors of AWS."""
    return _deploy(artifact, actor, Trigger.REDEPLOY)


def roll_back(*, integration: Integration, actor: User) -> Deployment:
    """Deploy the last artifact that ran well before the present one. Raises Forbidden, Refused and errors of AWS."""
    policy.require(Act.DEPLOY, user=actor, team=integration.team, integration=integration.pk)
    artifact = last_good(integration)
    if artifact is None:
        raise Refused(
            "There is no earlier artifact that was deployed well.", remedy="Redeploy one of the artifacts by hand."
        )
    return _deploy(artifact, actor, Trigger.ROLLBACK)


def last_good(integration: Integration) -> Artifact | None:
    """What a rollback would deploy: the newest artifact that ran, other than that of the newest deployment."""
    rows = integration.deployments.exclude(artifact=None).select_related("artifact").order_by("-created_at", "-pk")
    newest = rows.first()
    if newest is None or newest.artifact is None:
        return None
    good = rows.filter(status=DeploymentStatus.DEPLOYED).exclude(artifact=newest.artifact)
    found = good.first()
    return found.artifact if found else None


def _deploy(artifact: Artifact, actor: User, trigger: Trigger) -> Deployment:
    integration = artifact.integration
    policy.require(Act.DEPLOY, user=actor, team=integration.team, integration=integration.pk)
    stack, access = _target(integration)
    if artifact.ref_name != integration.deploy_ref:
        raise Refused(
            f"{artifact.ref_name} is not the branch that is deployed; that is {integration.deploy_ref}.",
            remedy="Choose an artifact of that branch.",
        )
    if same := _asked_twice(stack, access, artifact, actor):
        return same
    if not s3.version_exists(access, bucket=artifact.bucket, key=artifact.key, version_id=artifact.version_id):
        raise Refused(
            "This version of the artifact is not in the bucket any more.",
            remedy="Push the commit again, or choose a newer artifact.",
        )
    words = {Trigger.REDEPLOY: "Redeploy", Trigger.ROLLBACK: "Rollback to"}[trigger]
    started = _start(stack, access, artifact, description=f"{words} {artifact.commit[:12]} by {actor.get_username()}")
    with transaction.atomic():
        # A sync may have seen it first: it does not know who asked.
        row, _ = Deployment.objects.update_or_create(
            integration=integration,
            external_id=started,
            defaults={"trigger": trigger, "requested_by": actor},
            create_defaults={
                "stack": stack,
                "deployer": _DEPLOYERS[stack.kind],
                "trigger": trigger,
                "requested_by": actor,
                "artifact": artifact,
                "bucket": artifact.bucket,
                "key": artifact.key,
                "version_id": artifact.version_id,
                "ref": artifact.ref,
                "commit": artifact.commit,
                "author": artifact.author,
                "message": artifact.message,
                "pushed_at": artifact.delivery.received_at if artifact.delivery else artifact.created_at,
                "created_at": timezone.now(),
            },
        )
        audit.record(
            actor=actor,
            team=integration.team,
            action=f"deployment.{trigger}",
            target=integration,
            changes={"deployment": started, "commit": artifact.commit, "version": artifact.version_id},
        )
    return row


def _asked_twice(stack: Stack, access: Access, artifact: Artifact, actor: User) -> Deployment | None:
    """The deployment that a double click, or a page that was sent again, started already.

    Raises Refused for any other one that runs: instances take one at a time. A pipeline takes the next one by itself.
    """
    running = active(stack, access)
    if not running:
        return None
    rows = Deployment.objects.filter(stack=stack, external_id__in=running, artifact=artifact, requested_by=actor)
    same = rows.first()
    if same is None and stack.kind == StackKind.CODEDEPLOY:
        raise _busy()
    return same


def _start(stack: Stack, access: Access, artifact: Artifact, *, description: str) -> str:
    if stack.kind == StackKind.ECS:
        token = f"sluice-{uuid.uuid4().hex}"
        return codepipeline.start(access, pipelines.name(stack), version_id=artifact.version_id, token=token)
    target = group(stack)
    assert target is not None  # noqa: S101  _target saw it
    revision = codedeploy.Revision(artifact.bucket, artifact.key, artifact.version_id)
    try:
        return codedeploy.create(access, target, revision=revision, description=description)
    except AwsError as error:
        if error.aws_code == codedeploy.BUSY:  # somebody else was a moment faster
            raise _busy() from error
        raise


def _busy() -> Refused:
    return Refused(
        "Another deployment runs on these instances.", remedy="Wait until it is over, or stop it, then try again."
    )


_DEPLOYERS: dict[str, Deployer] = {StackKind.CODEDEPLOY: Deployer.CODEDEPLOY, StackKind.ECS: Deployer.ECS}


def _target(integration: Integration) -> tuple[Stack, Access]:
    """The stack to deploy to: with both, the first that the integration names. Raises Refused."""
    there = {stack.kind: stack for stack in integration.stacks.filter(kind__in=_DEPLOYERS)}
    for deployer in integration.deployers:
        stack = there.get(next(kind for kind, each in _DEPLOYERS.items() if each == deployer))
        if stack is not None and (group(stack) or pipelines.name(stack)):
            return stack, accounts.access(integration.aws_account, stack.region)
    raise Refused("There is no stack to deploy to.", remedy="Choose a deployer in the settings, then provision.")


def approve(*, deployment: Deployment, actor: User, comment: str = "") -> Deployment:
    """Let a pipeline's run that waits for an approval go on. Raises Forbidden, Refused and the errors of AWS."""
    return _answer(deployment, actor, approved=True, comment=comment)


def reject(*, deployment: Deployment, actor: User, comment: str = "") -> Deployment:
    """End a pipeline's run that waits for an approval. Raises Forbidden, Refused and the errors of AWS."""
    return _answer(deployment, actor, approved=False, comment=comment)


def _answer(deployment: Deployment, actor: User, *, approved: bool, comment: str) -> Deployment:
    stack, access = _of(deployment, actor, Act.ANSWER_APPROVAL)
    summary = f"{comment.strip() or ('Approved' if approved else 'Rejected')} ({actor.get_username()}, Sluice)"
    pipeline = pipelines.name(stack)
    waits = stack.kind == StackKind.ECS and codepipeline.answer_approval(
        access, pipeline, deployment.external_id, approved=approved, summary=summary
    )
    if not waits:
        raise Refused("This deployment does not wait for an approval.", remedy="Load the page again to see how it is.")
    return _told(deployment, stack, actor, "approve" if approved else "reject", {"comment": comment})


def retry(*, deployment: Deployment, actor: User) -> Deployment:
    """Do the failed stage of a pipeline's run once more. Raises Forbidden, Refused and the errors of AWS."""
    stack, access = _of(deployment, actor, Act.DEPLOY)
    step = deployment.steps.filter(status=DeploymentStatus.FAILED).first()
    if stack.kind != StackKind.ECS or deployment.status != DeploymentStatus.FAILED or step is None:
        raise Refused("Only a pipeline's run with a failed stage can go on from there.", remedy="Redeploy it.")
    codepipeline.retry(access, pipelines.name(stack), deployment.external_id, stage=step.group)
    return _told(deployment, stack, actor, "retry", {"stage": step.group})


def _of(deployment: Deployment, actor: User, act: Act) -> tuple[Stack, Access]:
    policy.require(act, user=actor, team=deployment.integration.team, integration=deployment.integration.pk)
    if deployment.stack is None:
        raise Refused("The stack of this deployment is gone.")
    return deployment.stack, accounts.access(deployment.integration.aws_account, deployment.stack.region)


def _told(deployment: Deployment, stack: Stack, actor: User, action: str, changes: dict[str, object]) -> Deployment:
    """Note what was asked for, and read what came of it."""
    audit.record(
        actor=actor,
        team=deployment.integration.team,
        action=f"deployment.{action}",
        target=deployment.integration,
        changes={"deployment": deployment.external_id, **changes},
    )
    sync(stack=stack)
    deployment.refresh_from_db()
    return deployment


def stop(*, deployment: Deployment, actor: User, roll_back: bool = False) -> Deployment:
    """Stop a deployment that runs; with `roll_back`, CodeDeploy then deploys what ran before.

    Raises Forbidden, Refused and the errors of AWS.
    """
    stack, access = _of(deployment, actor, Act.STOP_DEPLOYMENT)
    if deployment.finished:
        raise Refused("The deployment is over.")
    if stack.kind == StackKind.ECS:
        reason = f"Stopped by {actor.get_username()}"
        # What waits for a person would wait on; and who asks a second time does not want to wait.
        abandon = deployment.status == DeploymentStatus.WAITING or deployment.aws_status == "Stopping"
        codepipeline.stop(access, pipelines.name(stack), deployment.external_id, reason=reason, abandon=abandon)
        return _told(deployment, stack, actor, "stop", {})
    codedeploy.stop(access, deployment.external_id, roll_back=roll_back)
    return _told(deployment, stack, actor, "stop", {"roll_back": roll_back})

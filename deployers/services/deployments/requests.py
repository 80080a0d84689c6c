"""What people ask of deployments: an artifact once more, back to the last good one, stop."""

from django.db import transaction
from django.utils import timezone

from deployers.aws import codedeploy, s3
from deployers.aws.session import Access
from deployers.errors import AwsError
from deployers.models import Artifact, Deployment, Stack, StackKind, Trigger
from deployers.services import accounts
from deployers.services.deployments.groups import active, group
from deployers.services.deployments.sync import sync
from deployers.states import DeploymentStatus
from integrations.models import Deployer, Integration
from teams.errors import Refused
from teams.models import Role, User
from teams.services import audit, roles


def redeploy(*, artifact: Artifact, actor: User) -> Deployment:
    """Deploy an artifact once more. Raises Forbidden, Refused and the errors of AWS."""
    return _deploy(artifact, actor, Trigger.REDEPLOY)


def roll_back(*, integration: Integration, actor: User) -> Deployment:
    """Deploy the last artifact that ran well before the present one. Raises Forbidden, Refused and errors of AWS."""
    roles.require(Role.OPERATOR, user=actor, team=integration.team)
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
    roles.require(Role.OPERATOR, user=actor, team=integration.team)
    stack, access, target = _target(integration)
    if artifact.ref_name != integration.deploy_ref:
        raise Refused(
            f"{artifact.ref_name} is not the branch that is deployed; that is {integration.deploy_ref}.",
            remedy="Choose an artifact of that branch.",
        )
    if running := active(stack, access):
        same = integration.deployments.filter(external_id__in=running, artifact=artifact, requested_by=actor).first()
        if same is not None:  # asked for twice: a double click, or a page that was sent again
            return same
        raise _busy()
    if not s3.version_exists(access, bucket=artifact.bucket, key=artifact.key, version_id=artifact.version_id):
        raise Refused(
            "This version of the artifact is not in the bucket any more.",
            remedy="Push the commit again, or choose a newer artifact.",
        )
    words = {Trigger.REDEPLOY: "Redeploy", Trigger.ROLLBACK: "Rollback to"}[trigger]
    try:
        started = codedeploy.create(
            access,
            target,
            revision=codedeploy.Revision(artifact.bucket, artifact.key, artifact.version_id),
            description=f"{words} {artifact.commit[:12]} by {actor.get_username()}",
        )
    except AwsError as error:
        if error.aws_code == codedeploy.BUSY:  # somebody else was a moment faster
            raise _busy() from error
        raise
    with transaction.atomic():
        # A sync may have seen it first: it does not know who asked.
        row, _ = Deployment.objects.update_or_create(
            integration=integration,
            external_id=started,
            defaults={"trigger": trigger, "requested_by": actor},
            create_defaults={
                "stack": stack,
                "deployer": Deployer.CODEDEPLOY,
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


def _busy() -> Refused:
    return Refused(
        "Another deployment runs on these instances.", remedy="Wait until it is over, or stop it, then try again."
    )


def _target(integration: Integration) -> tuple[Stack, Access, codedeploy.Group]:
    stack = integration.stacks.filter(kind=StackKind.CODEDEPLOY).first()
    found = group(stack) if stack else None
    if stack is None or found is None:
        raise Refused("There is no stack to deploy to.", remedy="Choose CodeDeploy in the settings, then provision.")
    return stack, accounts.access(integration.aws_account, stack.region), found


def stop(*, deployment: Deployment, actor: User, roll_back: bool = False) -> Deployment:
    """Stop a deployment that runs; with `roll_back`, CodeDeploy then deploys what ran before.

    Raises Forbidden, Refused and the errors of AWS.
    """
    integration = deployment.integration
    roles.require(Role.OPERATOR, user=actor, team=integration.team)
    if deployment.finished or deployment.stack is None:
        raise Refused("The deployment is over.")
    access = accounts.access(integration.aws_account, deployment.stack.region)
    codedeploy.stop(access, deployment.external_id, roll_back=roll_back)
    audit.record(
        actor=actor,
        team=integration.team,
        action="deployment.stop",
        target=integration,
        changes={"deployment": deployment.external_id, "roll_back": roll_back},
    )
    sync(stack=deployment.stack)
    deployment.refresh_from_db()
    return deployment

"""Rows for tests: each function fills in what a test does not care about and takes any field by keyword.

Parents are made when they are not given, in the same team as their siblings: `make_delivery()` alone is a complete
tree. `team` is made on first use (slug `acme`) and shared, as the fixture of that name makes the same one.
"""

import itertools
from datetime import timedelta
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.utils import timezone

from deployers.models import (
    AccessMethod,
    Artifact,
    AwsAccount,
    Deployment,
    DeploymentStep,
    Operation,
    OperationKind,
    Stack,
    StackEvent,
    StackKind,
    Trigger,
)
from deployers.states import DeploymentStatus
from integrations.models import (
    AppSetup,
    Delivery,
    DeliveryStatus,
    Deployer,
    Integration,
    Method,
    Provider,
    Repository,
    SSHKey,
    SSHKeyState,
)
from teams.models import Membership, Role, Team, User

COMMIT = "4f3c2e1d0b9a8f7e6d5c4b3a29181706f5e4d3c2"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILTG4o4a2Tez2D+HzEBd7bQYMaaEKDtd3McsUrIUAfF3 sluice"
FINGERPRINT = "SHA256:oMgQTQLdrGGtXgLZlLIGhB7LgIIoaZi5zUQ2Ajw3/Ck"

_number = itertools.count(1)


def make_team(**fields: Any) -> Team:
    """The team `acme`, or another one when a slug is given."""
    slug = fields.pop("slug", "acme")
    team, _ = Team.objects.get_or_create(slug=slug, defaults={"name": slug.capitalize(), **fields})
    return team


def make_user(*, team: Team | None = None, role: Role = Role.ADMIN, **fields: Any) -> User:
    """A user with `role` in the team."""
    fields.setdefault("username", f"user{next(_number)}")
    user = User.objects.create_user(**fields)
    Membership.objects.create(team=team or make_team(), user=user, role=role)
    return user


def make_provider(*, team: Team | None = None, **fields: Any) -> Provider:
    """A GitHub provider with a token."""
    fields.setdefault("kind", "github")
    fields.setdefault("name", f"provider-{next(_number)}")
    fields.setdefault("credentials", {"token": "ghp_provider-token"})
    return Provider.objects.create(team=team or make_team(), **fields)


@lru_cache
def rsa_key(which: str = "app") -> str:
    """A private key in PEM format, as GitHub hands it out; another one for each `which`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def make_app_setup(*, team: Team, user: User, **fields: Any) -> AppSetup:
    """A GitHub App that GitHub just made, and that is installed nowhere yet."""
    fields.setdefault("credentials", {"app_id": "1234567", "private_key": rsa_key()})
    fields.setdefault("state_hash", f"{next(_number):064}")
    fields.setdefault("slug", "sluice-acme")
    return AppSetup.objects.create(team=team, user=user, kind="github", name="GitHub", session_hash="0" * 64, **fields)


def make_repository(*, team: Team | None = None, provider: Provider | None = None, **fields: Any) -> Repository:
    """`acme/shop-<n>` at the provider."""
    provider = provider or make_provider(team=team)
    full_name = fields.setdefault("full_name", f"acme/shop-{next(_number)}")
    fields.setdefault("default_branch", "main")
    fields.setdefault("web_url", f"https://github.com/{full_name}")
    return Repository.objects.create(team=team or provider.team, provider=provider, **fields)


def make_account(*, team: Team | None = None, **fields: Any) -> AwsAccount:
    """An account that is reached with the panel's own credentials, and whose check has passed."""
    fields.setdefault("name", f"account-{next(_number)}")
    fields.setdefault("account_id", "123456789012")
    fields.setdefault("method", AccessMethod.AMBIENT)
    account = AwsAccount(team=team or make_team(), **fields)
    account.proven_way = fields.get("proven_way", account.way)
    account.save()
    return account


def make_integration(
    *,
    team: Team | None = None,
    repository: Repository | None = None,
    aws_account: AwsAccount | None = None,
    **fields: Any,
) -> Integration:
    """A zip download integration of every branch in us-east-1."""
    repository = repository or make_repository(team=team)
    team = team or repository.team
    name = fields.setdefault("name", f"shop-{next(_number)}")
    fields.setdefault("method", Method.ZIP_DOWNLOAD)
    fields.setdefault("region", "us-east-1")
    fields.setdefault("application", name)
    fields.setdefault("environment", "production")
    fields.setdefault("webhook_secret", "webhook-secret-of-a-test")
    return Integration.objects.create(
        team=team, repository=repository, aws_account=aws_account or make_account(team=team), **fields
    )


def make_ssh_key(*, integration: Integration | None = None, **fields: Any) -> SSHKey:
    """The current deploy key of a git pull integration."""
    fields.setdefault("state", SSHKeyState.CURRENT)
    fields.setdefault("public_key", PUBLIC_KEY)
    fields.setdefault("fingerprint", FINGERPRINT)
    return SSHKey.objects.create(integration=integration or make_integration(method=Method.GIT_PULL), **fields)


def make_delivery(*, integration: Integration | None = None, **fields: Any) -> Delivery:
    """A push to main that was stored a second after it came."""
    integration = integration or make_integration()
    received_at = fields.setdefault("received_at", timezone.now())
    delivery_id = fields.setdefault("delivery_id", f"d3adbeef-0000-4000-8000-{next(_number):012}")
    fields.setdefault("provider_delivery_id", delivery_id)
    fields.setdefault("event", "push")
    fields.setdefault("repository", integration.repository.full_name)
    fields.setdefault("ref", "refs/heads/main")
    fields.setdefault("commit", COMMIT)
    fields.setdefault("sender", "ada")
    fields.setdefault("author", "Ada Lovelace")
    fields.setdefault("message", "Compute Bernoulli numbers")
    fields.setdefault("method", integration.method)
    fields.setdefault("status", DeliveryStatus.STORED)
    fields.setdefault("updated_at", received_at + timedelta(seconds=1))
    return Delivery.objects.create(integration=integration, **fields)


def make_stack(*, integration: Integration | None = None, **fields: Any) -> Stack:
    """A Git to S3 stack that is ready."""
    integration = integration or make_integration()
    fields.setdefault("kind", StackKind.GIT)
    name = fields.setdefault("name", f"sluice-{integration.name}")
    region = fields.setdefault("region", integration.region)
    fields.setdefault("stack_id", f"arn:aws:cloudformation:{region}:123456789012:stack/{name}/{integration.pk}")
    fields.setdefault("aws_status", "CREATE_COMPLETE")
    return Stack.objects.create(integration=integration, **fields)


def make_stack_event(*, stack: Stack | None = None, **fields: Any) -> StackEvent:
    """A line of the stack's log: its queue was created."""
    fields.setdefault("event_id", f"event-{next(_number)}")
    fields.setdefault("timestamp", timezone.now())
    fields.setdefault("logical_id", "ZipDownloadQueue")
    fields.setdefault("resource_type", "AWS::SQS::Queue")
    fields.setdefault("status", "CREATE_COMPLETE")
    return StackEvent.objects.create(stack=stack or make_stack(), **fields)


def make_operation(*, stack: Stack | None = None, **fields: Any) -> Operation:
    """A queued creation of the stack."""
    if stack is None:
        stack = make_stack(integration=fields.pop("integration", None))
    fields.setdefault("integration", stack.integration)
    fields.setdefault("kind", OperationKind.CREATE)
    return Operation.objects.create(stack=stack, **fields)


def make_artifact(
    *, integration: Integration | None = None, delivery: Delivery | None = None, **fields: Any
) -> Artifact:
    """The zip of a stored push, and the delivery that brought it."""
    delivery = delivery or make_delivery(integration=integration)
    integration = integration or delivery.integration
    repository = integration.repository
    fields.setdefault("bucket", "sluice-output")
    fields.setdefault("key", f"{repository.full_name}/{delivery.ref_name}/{repository.name}.zip")
    fields.setdefault("version_id", f"version-{next(_number)}")
    fields.setdefault("ref", delivery.ref)
    fields.setdefault("commit", delivery.commit)
    fields.setdefault("author", delivery.author)
    fields.setdefault("message", delivery.message)
    fields.setdefault("size", 1_048_576)
    fields.setdefault("created_at", delivery.updated_at)
    return Artifact.objects.create(integration=integration, delivery=delivery, **fields)


def make_deployment(*, artifact: Artifact, steps: bool = True, **fields: Any) -> Deployment:
    """A deployment of an artifact whose script failed on the second of two instances."""
    now = timezone.now()
    deployment = Deployment.objects.create(
        integration=artifact.integration,
        artifact=artifact,
        **{
            "deployer": Deployer.CODEDEPLOY,
            "external_id": f"d-TEST{next(_number):05}",
            "status": DeploymentStatus.FAILED,
            "aws_status": "Failed",
            "trigger": Trigger.PUSH,
            "bucket": artifact.bucket,
            "key": artifact.key,
            "version_id": artifact.version_id,
            "ref": artifact.ref,
            "commit": artifact.commit,
            "author": artifact.author,
            "message": artifact.message,
            "problem": "scripts/start.sh failed at ApplicationStart on i-0b: it failed with exit code 3",
            "remedy": "Its last lines are below.",
            "instances": {"Succeeded": 1, "Failed": 1},
            "pushed_at": now - timedelta(minutes=5),
            "created_at": now - timedelta(minutes=4),
            "started_at": now - timedelta(minutes=4),
            "finished_at": now - timedelta(minutes=1),
            **fields,
        },
    )
    for instance, status in (("i-0a", DeploymentStatus.DEPLOYED), ("i-0b", DeploymentStatus.FAILED)) if steps else ():
        DeploymentStep.objects.create(
            deployment=deployment,
            group=instance,
            name="ApplicationStart",
            position=8,
            status=status,
            aws_status="Failed" if status == DeploymentStatus.FAILED else "Succeeded",
            started_at=now - timedelta(minutes=3),
            finished_at=now - timedelta(minutes=2),
            script="scripts/start.sh" if status == DeploymentStatus.FAILED else "",
            message="exit code 3" if status == DeploymentStatus.FAILED else "",
            log_tail="[stderr]the port is taken" if status == DeploymentStatus.FAILED else "",
        )
    return deployment


def make_pipeline_run(*, artifact: Artifact) -> Deployment:
    """A run of an ECS pipeline that was built and waits for its approval."""
    now = timezone.now()
    run = make_deployment(
        artifact=artifact,
        steps=False,
        deployer=Deployer.ECS,
        status=DeploymentStatus.WAITING,
        aws_status="InProgress",
        problem="",
        remedy="",
        instances={},
        finished_at=None,
    )
    for position, stage in enumerate(("Source", "Build", "Approval")):
        waits = stage == "Approval"
        DeploymentStep.objects.create(
            deployment=run,
            group=stage,
            name=stage,
            position=position,
            status=DeploymentStatus.WAITING if waits else DeploymentStatus.DEPLOYED,
            aws_status="InProgress" if waits else "Succeeded",
            started_at=now - timedelta(minutes=3 - position),
            finished_at=None if waits else now - timedelta(minutes=2 - position),
            log_tail="Successfully built 4f3c2e1d0b9a" if stage == "Build" else "",
            url="https://console.aws.amazon.com/codesuite/codebuild/home" if stage == "Build" else "",
        )
    return run

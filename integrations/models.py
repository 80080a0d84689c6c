"""Providers, repositories, integrations, deliveries and SSH keys."""

import json
import uuid
from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models

from integrations.providers import registry
from teams.encryption import EncryptedTextField
from teams.models import TeamOwned, TeamQuerySet, User


class Method(models.TextChoices):
    """How a pushed commit becomes a zip."""

    ZIP_DOWNLOAD = "zip_download", "Zip download"
    GIT_PULL = "git_pull", "Git pull"


class Deployer(models.TextChoices):
    CODEDEPLOY = "codedeploy", "CodeDeploy"
    ECS = "ecs", "ECS"


class Provider(TeamOwned):
    """A git provider and the credentials to call its API with."""

    kind = models.CharField(max_length=20, choices=registry.kinds)
    name = models.CharField(max_length=80)
    base_url = models.URLField(
        blank=True, help_text="Where a self-hosted provider lives; empty for the public service."
    )
    credentials_json = EncryptedTextField(blank=True, editable=False)
    ca_bundle = models.TextField(blank=True, help_text="PEM certificates to trust besides the public ones.")
    ssh_port = models.PositiveIntegerField(default=22)
    ssh_known_hosts = models.TextField(blank=True, help_text="Pinned host keys, one known_hosts line each.")
    ssh_scanned_keys = models.TextField(
        blank=True, editable=False, help_text="Host keys as last scanned, to be confirmed by a person."
    )
    ssh_scanned_at = models.DateTimeField(null=True, blank=True, editable=False)
    ssh_problem = models.TextField(
        blank=True, editable=False, help_text="What is wrong with its host keys, such as that they changed."
    )
    webhook_networks = ArrayField(
        models.CharField(max_length=43),
        default=list,
        blank=True,
        editable=False,
        help_text="CIDRs that it publishes its webhooks to come from.",
    )
    webhook_networks_at = models.DateTimeField(null=True, blank=True, editable=False)
    login = models.CharField(max_length=120, blank=True, help_text="Whom the credentials belong to.")
    missing_scopes = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    check_error = models.TextField(blank=True)

    objects = TeamQuerySet["Provider"].as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="provider_name_once_per_team")]

    def __str__(self) -> str:
        return self.name

    @property
    def credentials(self) -> dict[str, str]:
        """The secret fields of this kind, such as `token`. Never show or log them."""
        return json.loads(self.credentials_json) if self.credentials_json else {}

    @credentials.setter
    def credentials(self, value: dict[str, str]) -> None:
        self.credentials_json = json.dumps(value)


class Repository(TeamOwned):
    """A repository at a provider."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="repositories")
    full_name = models.CharField(max_length=255, help_text="As the provider writes it: owner/name.")
    default_branch = models.CharField(max_length=255, blank=True)
    private = models.BooleanField(default=True)
    web_url = models.URLField(max_length=500, blank=True)

    objects = TeamQuerySet["Repository"].as_manager()

    class Meta:
        ordering = ["full_name"]
        verbose_name_plural = "repositories"
        constraints = [models.UniqueConstraint(fields=["provider", "full_name"], name="repository_once_per_provider")]

    def __str__(self) -> str:
        return self.full_name

    @property
    def name(self) -> str:
        """The last part of the full name."""
        return self.full_name.rsplit("/", 1)[-1]


class WebhookState(models.TextChoices):
    """Where an integration's webhook stands at the provider."""

    ABSENT = "absent", "Not installed"
    MANUAL = "manual", "To be added by hand"
    INSTALLED = "installed", "Installed"
    VERIFIED = "verified", "Receiving"


def all_branches() -> list[str]:
    return ["**"]


class Integration(TeamOwned):
    """One repository, mirrored into one AWS account and region, and deployed from there."""

    name = models.CharField(max_length=60, help_text="Lower-case letters, digits and hyphens.")
    repository = models.ForeignKey(Repository, on_delete=models.PROTECT, related_name="integrations")
    method = models.CharField(max_length=12, choices=Method.choices, default=Method.ZIP_DOWNLOAD)
    refs = ArrayField(
        models.CharField(max_length=255),
        default=all_branches,
        help_text="Globs of what to mirror: `main`, `release/*`, `tags:v*`.",
    )
    paths = ArrayField(
        models.CharField(max_length=255),
        default=list,
        blank=True,
        help_text="Globs of files: a push that changes none of them is ignored. Empty: any file counts.",
    )
    ignored_paths = ArrayField(
        models.CharField(max_length=255),
        default=list,
        blank=True,
        help_text="Globs of files that do not count, also where they match `paths`.",
    )
    skip_ci = models.BooleanField(default=True, help_text="Ignore commits that say [skip ci] or [ci skip].")
    submodules = models.BooleanField(default=False, help_text="Git pull: fetch submodules too.")
    lfs = models.BooleanField(default=False, help_text="Git pull: fetch Git LFS files in place of their pointers.")
    commit_statuses = models.BooleanField(default=False, help_text="Show each delivery's state beside the commit.")
    commit_status_problem = models.TextField(blank=True, editable=False)
    obstacles = models.JSONField(
        default=list, blank=True, editable=False, help_text="What stood in the way at the provider when it was asked."
    )
    obstacles_problem = models.TextField(blank=True, editable=False, help_text="Why the provider could not be asked.")
    obstacles_checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    restrict_source_ips = models.BooleanField(
        default=False, help_text="Take webhooks only from the networks that the provider publishes."
    )
    applied_networks = ArrayField(
        models.CharField(max_length=43),
        default=list,
        blank=True,
        editable=False,
        help_text="The provider's networks that the stack knows.",
    )
    heads_checked_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the provider's refs were last compared; null: never yet."
    )
    heads_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    heads_problem = models.TextField(blank=True, editable=False)
    deploy_ref = models.CharField(max_length=255, blank=True, help_text="The one branch that is deployed.")
    aws_account = models.ForeignKey("deployers.AwsAccount", on_delete=models.PROTECT, related_name="integrations")
    region = models.CharField(max_length=32)
    application = models.CharField(max_length=60)
    environment = models.CharField(max_length=60)
    deployers = ArrayField(models.CharField(max_length=12, choices=Deployer.choices), default=list, blank=True)
    parameters = models.JSONField(default=dict, blank=True, help_text="Stack kind to template parameters.")
    webhook_secret = EncryptedTextField(blank=True, editable=False)
    webhook_secret_previous = EncryptedTextField(blank=True, editable=False)
    webhook_state = models.CharField(
        max_length=10, choices=WebhookState.choices, default=WebhookState.ABSENT, editable=False
    )
    webhook_remote_id = models.CharField(max_length=64, blank=True, editable=False)
    webhook_problem = models.TextField(blank=True, editable=False)
    webhook_pinged_at = models.DateTimeField(null=True, blank=True, editable=False)
    deliveries_cursor = models.CharField(max_length=40, blank=True, editable=False)
    deliveries_synced_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False)

    objects = TeamQuerySet["Integration"].as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="integration_name_once_per_team")]

    def __str__(self) -> str:
        return self.name


class KnownHead(models.Model):
    """The commit of a mirrored ref at the provider, as the last check for missed pushes saw it."""

    TEAM_PATH = "integration__team"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="known_heads")
    ref = models.CharField(max_length=1024, help_text="In full: refs/heads/main.")
    commit = models.CharField(max_length=64, blank=True, help_text="Accounted for: delivered, or there from the start.")
    missing = models.CharField(max_length=64, blank=True, help_text="Seen at the provider, while no webhook came.")
    missing_since = models.DateTimeField(null=True, blank=True)

    objects = TeamQuerySet["KnownHead"].as_manager()

    class Meta:
        ordering = ["ref"]
        constraints = [models.UniqueConstraint(fields=["integration", "ref"], name="head_once_per_ref")]

    def __str__(self) -> str:
        return self.ref


class SSHKeyState(models.TextChoices):
    """Where a key stands: a rotation moves pending -> current -> retired."""

    PENDING = "pending", "Pending"
    CURRENT = "current", "Current"
    RETIRED = "retired", "Retired"


class RemoteState(models.TextChoices):
    """What the provider has of something of ours."""

    UNKNOWN = "unknown", "Unknown"
    PRESENT = "present", "Present"
    MISSING = "missing", "Missing"
    MANUAL = "manual", "To be added by hand"


class SSHKey(models.Model):
    """The public half of a deploy key; the private half never leaves the AWS account."""

    TEAM_PATH = "integration__team"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="ssh_keys")
    state = models.CharField(max_length=8, choices=SSHKeyState.choices, default=SSHKeyState.CURRENT)
    public_key = models.TextField()
    fingerprint = models.CharField(max_length=80)
    remote_id = models.CharField(max_length=64, blank=True)
    remote_state = models.CharField(max_length=8, choices=RemoteState.choices, default=RemoteState.UNKNOWN)
    problem = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = TeamQuerySet["SSHKey"].as_manager()

    class Meta:
        verbose_name = "SSH key"
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["integration"], condition=models.Q(state="current"), name="one_current_key"
            ),
            models.UniqueConstraint(
                fields=["integration"], condition=models.Q(state="pending"), name="one_pending_key"
            ),
        ]

    def __str__(self) -> str:
        return self.fingerprint


class DeliveryStatus(models.TextChoices):
    """As the Lambdas write it into the deliveries table."""

    RECEIVED = "received", "Received"
    QUEUED = "queued", "Queued"
    FETCHING = "fetching", "Fetching"
    RETRYING = "retrying", "Retrying"
    STORED = "stored", "Stored"
    SUPERSEDED = "superseded", "Superseded"
    IGNORED = "ignored", "Ignored"
    REJECTED = "rejected", "Rejected"
    FAILED = "failed", "Failed"

    @property
    def finished(self) -> bool:
        """Whether nothing more happens by itself."""
        return self not in {self.RECEIVED, self.QUEUED, self.FETCHING, self.RETRYING}


class DeployStatus(models.TextChoices):
    """What the deployer's Lambda made of a stored artifact, until there is a deployment."""

    WAITING = "waiting", "Waiting to deploy"
    DEPLOYING = "deploying", "Deployment started"
    REFUSED = "refused", "Refused"
    SKIPPED = "skipped", "Skipped"
    FAILED = "failed", "Failed"


class Delivery(models.Model):
    """One change that a webhook brought: what came, what was decided and why, and the artifact it became."""

    TEAM_PATH = "integration__team"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="deliveries")
    delivery_id = models.CharField(max_length=128, help_text="Its id in the stack's deliveries table.")
    provider_delivery_id = models.CharField(max_length=128, blank=True)
    event = models.CharField(max_length=64, blank=True)
    repository = models.CharField(max_length=255, blank=True)
    ref = models.CharField(max_length=1024, blank=True)
    commit = models.CharField(max_length=64, blank=True)
    sender = models.CharField(max_length=255, blank=True)
    author = models.CharField(max_length=255, blank=True)
    message = models.TextField(blank=True)
    method = models.CharField(max_length=12, choices=Method.choices, blank=True)
    status = models.CharField(max_length=10, choices=DeliveryStatus.choices)
    reason = models.TextField(blank=True)
    source_ip = models.GenericIPAddressField(null=True, blank=True)
    attempts = models.JSONField(default=list)
    request_headers = models.JSONField(default=dict)
    request_body = models.TextField(blank=True)
    request_body_truncated = models.BooleanField(default=False)
    artifact_bucket = models.CharField(max_length=63, blank=True)
    artifact_key = models.CharField(max_length=1024, blank=True)
    artifact_version_id = models.CharField(max_length=1024, blank=True)
    artifact_size = models.BigIntegerField(null=True, blank=True, help_text="Bytes.")
    commit_status = models.CharField(
        max_length=10, blank=True, editable=False, help_text="What the provider was last told of the commit."
    )
    deploy_status = models.CharField(max_length=10, choices=DeployStatus.choices, blank=True)
    deploy_reason = models.TextField(blank=True)
    deployment_external_id = models.CharField(
        max_length=128, blank=True, help_text="What the deployer calls the deployment that it started."
    )
    received_at = models.DateTimeField()
    stored_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField()

    objects = TeamQuerySet["Delivery"].as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ["-received_at", "-pk"]
        indexes = [
            models.Index(fields=["integration", "-received_at"], name="deliveries_by_integration"),
            models.Index(fields=["updated_at"], name="deliveries_by_update"),
            models.Index(fields=["-received_at", "-id"], name="deliveries_newest"),
            models.Index(fields=["status", "-received_at", "-id"], name="deliveries_by_status"),
            models.Index(fields=["ref", "-received_at", "-id"], name="deliveries_by_ref"),
            models.Index(fields=["commit"], opclasses=["varchar_pattern_ops"], name="deliveries_by_commit"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["integration", "delivery_id"], name="delivery_once_per_integration")
        ]

    def __str__(self) -> str:
        return self.delivery_id

    @property
    def ref_name(self) -> str:
        """The ref as people write it: `main`, or `v1` for a tag."""
        return self.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")

    @property
    def duration_ms(self) -> int | None:
        """Milliseconds from the webhook to its outcome, or None while something still happens."""
        if not DeliveryStatus(self.status).finished:
            return None
        return int((self.settled_at - self.received_at).total_seconds() * 1000)

    @property
    def settled_at(self) -> datetime:
        """When it became what it is; what a deployer writes on it later does not count."""
        return self.stored_at or self.updated_at

    @property
    def not_deployed(self) -> str:
        """Why its artifact could not be deployed, in words; empty if that went well, or was not tried."""
        return self.deploy_reason if self.deploy_status in (DeployStatus.REFUSED, DeployStatus.FAILED) else ""

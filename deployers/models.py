"""AWS accounts, stacks, operations, stack events and artifacts."""

import uuid
from typing import Any

from django.db import models

from deployers.states import ACTIVE, STEP_LABELS, OperationStatus, StackState, stack_state
from integrations.models import Delivery, Integration
from teams.encryption import EncryptedTextField
from teams.models import Team, TeamOwned, TeamQuerySet, User


class AccessMethod(models.TextChoices):
    """How the panel gets into an AWS account."""

    ROLE = "role", "Assume a role"
    KEYS = "keys", "Access keys"
    AMBIENT = "ambient", "The panel's own credentials"


def new_external_id() -> str:
    return f"sluice-{uuid.uuid4()}"


class AwsAccount(TeamOwned):
    """An AWS account and the way into it."""

    name = models.CharField(max_length=80)
    account_id = models.CharField(max_length=12, blank=True, help_text="Twelve digits; read from STS.")
    method = models.CharField(max_length=8, choices=AccessMethod.choices, default=AccessMethod.ROLE)
    role_arn = models.CharField(max_length=2048, blank=True)
    external_id = models.CharField(
        max_length=64,
        default=new_external_id,
        editable=False,
        help_text="Goes into the role's trust policy; made by the panel, one a connection.",
    )
    access_key_id = models.CharField(max_length=128, blank=True)
    secret_access_key = EncryptedTextField(blank=True, editable=False)
    default_region = models.CharField(max_length=32, default="us-east-1")
    caller_arn = models.CharField(max_length=2048, blank=True, editable=False)
    checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    check_error = models.TextField(blank=True, editable=False)

    objects = TeamQuerySet["AwsAccount"].as_manager()

    class Meta:
        verbose_name = "AWS account"
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="account_name_once_per_team")]

    def __str__(self) -> str:
        return self.name


class StackKind(models.TextChoices):
    GIT = "git_intgrtn_aws_s3", "Git to S3"
    CODEDEPLOY = "codedeploy", "CodeDeploy"
    ECS = "ecs", "ECS pipeline"


class Stack(models.Model):
    """A CloudFormation stack of an integration, as AWS last told."""

    TEAM_PATH = "integration__team"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="stacks")
    kind = models.CharField(max_length=20, choices=StackKind.choices)
    name = models.CharField(max_length=128)
    region = models.CharField(max_length=32)
    stack_id = models.CharField(max_length=2048, blank=True, help_text="The ARN; a deleted stack has no name.")
    aws_status = models.CharField(max_length=64, blank=True)
    status_reason = models.TextField(blank=True)
    outputs = models.JSONField(default=dict)
    template_version = models.CharField(max_length=64, blank=True)
    parameters_digest = models.CharField(
        max_length=64, blank=True, help_text="Keyed, of the secret parameters last applied."
    )
    resources_done = models.PositiveIntegerField(default=0)
    resources_total = models.PositiveIntegerField(default=0)
    seen_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TeamQuerySet["Stack"].as_manager()

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(fields=["integration", "kind"], name="one_stack_of_a_kind"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> StackState:
        return stack_state(self.aws_status)


class OperationKind(models.TextChoices):
    CREATE = "create", "Create"
    UPDATE = "update", "Update"
    DELETE = "delete", "Delete"


class Operation(models.Model):
    """Something the panel brings about at AWS and at the provider, step by step, whatever dies in between.

    A worker that advances it holds a lease: `owner`, a `fence` that grows with every claim, and `lease_until`. It
    outlives the integration that it deletes, so it knows its team and the name of its target by itself.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="+")
    target = models.CharField(max_length=128, blank=True, help_text="Name of the integration.")
    integration = models.ForeignKey(Integration, on_delete=models.SET_NULL, null=True, related_name="operations")
    stack = models.ForeignKey(Stack, on_delete=models.SET_NULL, null=True, related_name="operations")
    kind = models.CharField(max_length=8, choices=OperationKind.choices)
    status = models.CharField(
        max_length=10, choices=OperationStatus.choices, default=OperationStatus.QUEUED, db_index=True
    )
    step = models.CharField(max_length=40, blank=True, help_text="What it is doing now.")
    step_started_at = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False, help_text="Stop at the next safe point.")
    options = models.JSONField(default=dict, blank=True)
    change_set_id = models.CharField(max_length=2048, blank=True)
    problem_code = models.CharField(max_length=60, blank=True)
    problem = models.TextField(blank=True, help_text="What went wrong, in words.")
    remedy = models.TextField(blank=True, help_text="What the person can do about it.")
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    owner = models.CharField(max_length=80, blank=True)
    fence = models.PositiveBigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text="Consecutive failures of the present step.")
    next_at = models.DateTimeField(null=True, blank=True, help_text="Not before this time.")

    objects = TeamQuerySet["Operation"].as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["stack"],
                condition=models.Q(status__in=sorted(ACTIVE)),
                name="one_active_operation_per_stack",
            )
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=models.Q(status__in=sorted(ACTIVE)), name="active_operations"),
            models.Index(fields=["team", "-created_at", "-id"], name="operations_by_team"),
            models.Index(fields=["integration", "-created_at"], name="operations_by_integration"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.target}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Note the team and the name of the integration while there is one."""
        if self._state.adding and self.integration is not None:
            self.team = self.integration.team
            self.target = self.target or self.integration.name
        super().save(*args, **kwargs)

    @property
    def active(self) -> bool:
        return self.status in ACTIVE

    @property
    def step_label(self) -> str:
        """The present step in words."""
        return STEP_LABELS.get(self.step, "")


class StackEvent(models.Model):
    """One line of CloudFormation's log, as AWS wrote it."""

    TEAM_PATH = "stack__integration__team"

    stack = models.ForeignKey(Stack, on_delete=models.CASCADE, related_name="events")
    event_id = models.CharField(max_length=255)
    timestamp = models.DateTimeField()
    logical_id = models.CharField(max_length=255)
    physical_id = models.TextField(blank=True)
    resource_type = models.CharField(max_length=255)
    status = models.CharField(max_length=64)
    reason = models.TextField(blank=True)

    objects = TeamQuerySet["StackEvent"].as_manager()

    class Meta:
        ordering = ["timestamp", "pk"]
        constraints = [models.UniqueConstraint(fields=["stack", "event_id"], name="event_once_per_stack")]

    def __str__(self) -> str:
        return f"{self.logical_id} {self.status}"


class Artifact(models.Model):
    """One version of a zip in an integration's bucket, and the commit that it is."""

    TEAM_PATH = "integration__team"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="artifacts")
    delivery = models.ForeignKey(Delivery, on_delete=models.SET_NULL, null=True, related_name="artifacts")
    bucket = models.CharField(max_length=63)
    key = models.CharField(max_length=1024)
    version_id = models.CharField(max_length=1024)
    ref = models.CharField(max_length=1024)
    commit = models.CharField(max_length=64)
    author = models.CharField(max_length=255, blank=True)
    message = models.TextField(blank=True)
    size = models.BigIntegerField(help_text="Bytes.")
    content_digest = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(help_text="When the version was written.")

    objects = TeamQuerySet["Artifact"].as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["integration", "key", "version_id"], name="artifact_once_per_version")
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.version_id}"

    @property
    def ref_name(self) -> str:
        return self.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")

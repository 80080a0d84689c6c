"""Stacks, as AWS last told of them, and their events."""

import uuid

from django.db import models

from deployers.states import StackState, stack_state
from integrations.models import Integration
from teams.models import TeamQuerySet


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
    image_id = models.CharField(
        max_length=32, blank=True, help_text="Image that instances are made from; provisioning keeps it."
    )
    image_parameter = models.CharField(
        max_length=2048, blank=True, help_text="SSM parameter that names the newest image of this kind."
    )
    resources_done = models.PositiveIntegerField(default=0)
    resources_total = models.PositiveIntegerField(default=0)
    seen_at = models.DateTimeField(null=True, blank=True)
    deployments_synced_at = models.DateTimeField(null=True, blank=True)
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

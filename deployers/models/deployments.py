"""Deployments: what was deployed where, by whom, and what happened on each instance."""

import uuid
from datetime import datetime, timedelta

from django.db import models
from django.db.models import QuerySet
from django.utils import timezone

from deployers.models.artifacts import Artifact
from deployers.models.stacks import Stack
from deployers.states import DeploymentStatus
from integrations.models import Deployer, Integration
from teams.models import TeamQuerySet, User


class Trigger(models.TextChoices):
    """Why a deployment was made."""

    PUSH = "push", "Push"
    REDEPLOY = "redeploy", "Redeploy"
    ROLLBACK = "rollback", "Rollback"
    FIRST = "first", "First deployment"
    OTHER = "other", "Outside Sluice"


class Deployment(models.Model):
    """One deployment, as the deployer told of it, whoever started it. A finished one never changes again."""

    TEAM_PATH = "integration__team"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="deployments")
    stack = models.ForeignKey(Stack, on_delete=models.SET_NULL, null=True, related_name="deployments")
    deployer = models.CharField(max_length=12, choices=Deployer.choices)
    external_id = models.CharField(max_length=128, help_text="Its id at AWS.")
    status = models.CharField(max_length=12, choices=DeploymentStatus.choices, default=DeploymentStatus.QUEUED)
    aws_status = models.CharField(max_length=40, blank=True, help_text="AWS's own word.")
    trigger = models.CharField(max_length=8, choices=Trigger.choices, default=Trigger.OTHER)
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    rolls_back = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="rollbacks")
    artifact = models.ForeignKey(Artifact, on_delete=models.SET_NULL, null=True, related_name="deployments")
    bucket = models.CharField(max_length=63, blank=True)
    key = models.CharField(max_length=1024, blank=True)
    version_id = models.CharField(max_length=1024, blank=True)
    ref = models.CharField(max_length=1024, blank=True)
    commit = models.CharField(max_length=64, blank=True)
    author = models.CharField(max_length=255, blank=True)
    message = models.TextField(blank=True)
    description = models.TextField(blank=True)
    problem = models.TextField(blank=True, help_text="What went wrong, in words.")
    remedy = models.TextField(blank=True, help_text="What a person can do about it.")
    commit_status = models.CharField(
        max_length=10, blank=True, editable=False, help_text="What the provider was last told of the commit."
    )
    instances = models.JSONField(default=dict, help_text="How many instances are in which state.")
    pushed_at = models.DateTimeField(null=True, help_text="When the push of its commit came in.")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = TeamQuerySet["Deployment"].as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["integration", "external_id"], name="deployment_once_per_integration")
        ]
        indexes = [
            models.Index(fields=["integration", "-created_at", "-id"], name="deployments_by_integration"),
            models.Index(fields=["-created_at", "-id"], name="deployments_newest"),
            models.Index(fields=["status", "-created_at", "-id"], name="deployments_by_status"),
            models.Index(fields=["commit"], opclasses=["varchar_pattern_ops"], name="deployments_by_commit"),
        ]

    def __str__(self) -> str:
        return self.external_id

    @property
    def finished(self) -> bool:
        """Whether nothing more happens to it."""
        return DeploymentStatus(self.status).finished

    @property
    def steps_in_order(self) -> "QuerySet[DeploymentStep]":
        """Instance by instance; a pipeline's stages as they follow each other."""
        return self.steps.order_by("position") if self.deployer == Deployer.ECS else self.steps.all()

    @property
    def ref_name(self) -> str:
        """The ref as people write it."""
        return self.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")

    @property
    def duration(self) -> timedelta | None:
        """How long it has taken so far; None before it began."""
        if self.started_at is None:
            return None
        end: datetime = self.finished_at or timezone.now()
        return end - self.started_at

    @property
    def lead_time(self) -> timedelta | None:
        """From the push of its commit until it ran; None for what did not get there, or did before."""
        if self.status != DeploymentStatus.DEPLOYED or self.trigger != Trigger.PUSH:
            return None
        return self.finished_at - self.pushed_at if self.finished_at and self.pushed_at else None


class DeploymentStep(models.Model):
    """One step of a deployment in one place: a lifecycle event on an instance, or an action of a pipeline's stage."""

    TEAM_PATH = "deployment__integration__team"

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="steps")
    group = models.CharField(max_length=128, help_text="Id of the instance, or name of the pipeline's stage.")
    name = models.CharField(max_length=128, help_text="Such as ApplicationStart, or name of the action.")
    position = models.PositiveIntegerField()
    status = models.CharField(max_length=12, choices=DeploymentStatus.choices)
    aws_status = models.CharField(max_length=40)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    script = models.CharField(max_length=1024, blank=True)
    message = models.TextField(blank=True)
    log_tail = models.TextField(blank=True)
    url = models.URLField(max_length=500, blank=True, help_text="Where AWS shows it.")

    objects = TeamQuerySet["DeploymentStep"].as_manager()

    class Meta:
        ordering = ["group", "position"]
        constraints = [models.UniqueConstraint(fields=["deployment", "group", "name"], name="step_once_per_deployment")]

    def __str__(self) -> str:
        return f"{self.group} {self.name}"

    @property
    def duration(self) -> timedelta | None:
        return self.finished_at - self.started_at if self.finished_at and self.started_at else None

"""Deliveries: what webhooks brought, and what became of it."""

import uuid
from datetime import datetime

from django.db import models

from integrations.models.integrations import Integration, Method
from teams.models import TeamQuerySet


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
    secret_id = models.CharField(max_length=16, blank=True, help_text="Which webhook secret signed it.")
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

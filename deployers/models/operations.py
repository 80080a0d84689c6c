"""Changes that the panel makes, step by step."""

import uuid
from typing import Any

from django.db import models

from deployers.models.stacks import Stack
from deployers.states import ACTIVE, STEP_LABELS, OperationStatus
from integrations.models import Integration
from teams.models import Team, TeamQuerySet, User


class OperationKind(models.TextChoices):
    CREATE = "create", "Create"
    UPDATE = "update", "Update"
    DELETE = "delete", "Delete"
    ROTATE_KEY = "rotate_key", "Rotate SSH key"
    ROTATE_SECRET = "rotate_secret", "Rotate webhook secret"


ROTATIONS = frozenset({OperationKind.ROTATE_KEY, OperationKind.ROTATE_SECRET})
"""These leave the integration at work, whatever becomes of them: what was in use stays in use."""


class Operation(models.Model):
    """A change that the panel makes at AWS and at the provider, step by step, whatever dies in between.

    A worker that advances it holds a lease: `owner`, a `fence` that grows with every claim, and `lease_until`. It
    outlives the integration that it deletes, so it knows its team and the name of its target by itself.
    """

    INTEGRATION_PATH = "integration"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="+")
    target = models.CharField(max_length=128, blank=True, help_text="Name of the integration.")
    integration = models.ForeignKey(Integration, on_delete=models.SET_NULL, null=True, related_name="operations")
    stack = models.ForeignKey(Stack, on_delete=models.SET_NULL, null=True, related_name="operations")
    kind = models.CharField(max_length=20, choices=OperationKind.choices)
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
    batch = models.UUIDField(
        null=True, blank=True, db_index=True, help_text="What was asked for of several integrations at once."
    )
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

"""SSH keys: the public halves of the keys that stacks make."""

import uuid

from django.db import models

from integrations.models.integrations import Integration
from teams.models import TeamQuerySet


class SSHKeyState(models.TextChoices):
    """Where a key stands: a rotation moves pending -> current -> retired; a person revokes one that leaked."""

    PENDING = "pending", "Pending"
    CURRENT = "current", "Current"
    RETIRED = "retired", "Retired"
    REVOKED = "revoked", "Revoked"


SSH_KEY_OVER = frozenset({SSHKeyState.RETIRED, SSHKeyState.REVOKED})


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
    in_stack = models.BooleanField(default=True, help_text="Whether the stack still holds its private half.")
    rotation = models.UUIDField(null=True, blank=True, help_text="The operation that made it; null for the first one.")
    created_at = models.DateTimeField(auto_now_add=True)
    current_since = models.DateTimeField(null=True, blank=True, help_text="When the stack began to fetch with it.")
    retired_at = models.DateTimeField(null=True, blank=True, help_text="When the next one took its place.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True, help_text="When the provider was last asked about it.")
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="When a push was last fetched with it.")

    objects = TeamQuerySet["SSHKey"].as_manager()

    class Meta:
        verbose_name = "SSH key"
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["checked_at"], name="ssh_keys_by_check")]
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

    @property
    def type(self) -> str:
        """As OpenSSH names it, such as `ssh-ed25519`."""
        return self.public_key.split(maxsplit=1)[0] if self.public_key else ""

    @property
    def over(self) -> bool:
        """Whether nothing is fetched with it any more, and never will be."""
        return self.state in SSH_KEY_OVER

    @property
    def gone(self) -> bool:
        """Whether nothing of it is left to remove, in the stack or at the provider."""
        return not self.in_stack and self.remote_state == RemoteState.MISSING

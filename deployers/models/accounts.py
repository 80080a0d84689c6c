"""AWS accounts and the way into them."""

import hashlib
import uuid

from django.db import models

from teams.encryption import EncryptedTextField
from teams.models import TeamOwned, TeamQuerySet


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
    proven_way = models.CharField(
        max_length=64,
        blank=True,
        editable=False,
        help_text="Digest of the way in that passed its check; empty, or of another one: AWS is not asked.",
    )
    caller_arn = models.CharField(max_length=2048, blank=True, editable=False)
    checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    check_error = models.TextField(blank=True, editable=False)
    findings = models.JSONField(
        default=dict, blank=True, editable=False, help_text="What the last check that passed found; see its service."
    )

    objects = TeamQuerySet["AwsAccount"].as_manager()

    class Meta:
        verbose_name = "AWS account"
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="account_name_once_per_team")]

    def __str__(self) -> str:
        return self.name

    @property
    def way(self) -> str:
        """Digest of all that a check proves: the method, and the role with its external id or the key's id."""
        parts = {
            AccessMethod.ROLE: (self.role_arn, self.external_id),
            AccessMethod.KEYS: (self.access_key_id,),
        }.get(AccessMethod(self.method), ())
        return hashlib.sha256("\n".join((self.method, *parts)).encode()).hexdigest()

    @property
    def proven(self) -> bool:
        """Whether a check passed for exactly this way in, and none was refused since."""
        return self.proven_way == self.way

"""Artifacts: versions of zips, and the commits that they are."""

import uuid

from django.db import models

from integrations.models import Delivery, Integration
from teams.models import TeamQuerySet


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

"""GitHub Apps that are being made: from leaving for GitHub until an installation is chosen."""

import json

from django.conf import settings
from django.db import models

from integrations.models.providers import Provider
from teams.encryption import EncryptedTextField, readable
from teams.models import TeamOwned, TeamQuerySet


class AppSetup(TeamOwned):
    """One try to make an app from a manifest. It ends as a provider, or is forgotten after a day."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    provider = models.ForeignKey(
        Provider,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Whose token it replaces.",
    )
    kind = models.CharField(max_length=20)
    name = models.CharField(max_length=80, help_text="Of the provider that it becomes.")
    base_url = models.URLField(blank=True)
    ca_bundle = models.TextField(blank=True)
    organization = models.CharField(max_length=80, blank=True, help_text="Who is to own the app; empty: the person.")
    state_hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the state that GitHub sends back.")
    session_hash = models.CharField(max_length=64, help_text="SHA-256 of the session that it began in.")
    used_at = models.DateTimeField(null=True, blank=True, help_text="When the state was used, which is once.")
    credentials_json = EncryptedTextField(blank=True, editable=False)
    slug = models.CharField(max_length=100, blank=True, help_text="The app's name in addresses.")

    objects = TeamQuerySet["AppSetup"].as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "GitHub App being made"
        verbose_name_plural = "GitHub Apps being made"

    def __str__(self) -> str:
        return self.slug or self.name

    @property
    def credentials(self) -> dict[str, str]:
        """The app's id and private key, once GitHub made it. Never show or log them."""
        kept = readable(self, "credentials_json")
        return json.loads(kept) if kept else {}

    @credentials.setter
    def credentials(self, value: dict[str, str]) -> None:
        self.credentials_json = json.dumps(value)

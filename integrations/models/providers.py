"""Providers and their repositories."""

import json

from django.contrib.postgres.fields import ArrayField
from django.db import models

from integrations.providers import registry
from teams.encryption import EncryptedTextField, readable
from teams.models import TeamOwned, TeamQuerySet


class Provider(TeamOwned):
    """A git provider and the credentials to call its API with."""

    kind = models.CharField(max_length=20, choices=registry.kinds)
    name = models.CharField(max_length=80)
    base_url = models.URLField(
        blank=True, help_text="Where a self-hosted provider lives; empty for the public service."
    )
    credentials_json = EncryptedTextField(blank=True, editable=False)
    credentials_changed_at = models.DateTimeField(null=True, blank=True, editable=False)
    ca_bundle = models.TextField(blank=True, help_text="PEM certificates to trust besides the public ones.")
    ssh_host = models.CharField(
        max_length=253, blank=True, help_text="Where it serves SSH, if that is not where its API says."
    )
    ssh_user = models.CharField(
        max_length=64, blank=True, help_text="The user of its SSH addresses, if it is not the one that its API tells."
    )
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

    @property
    def kept_credentials(self) -> dict[str, str]:
        """`credentials`, or none of them where they cannot be decrypted: they can be entered again."""
        kept = readable(self, "credentials_json")
        return json.loads(kept) if kept else {}


class Repository(TeamOwned):
    """A repository at a provider."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="repositories")
    full_name = models.CharField(max_length=255, help_text="As the provider writes it: owner/name.")
    default_branch = models.CharField(max_length=255, blank=True)
    private = models.BooleanField(default=True)
    web_url = models.URLField(max_length=500, blank=True)
    remote_id = models.CharField(
        max_length=64, blank=True, editable=False, help_text="The provider's id, which stays when it is renamed."
    )
    new_name = models.CharField(
        max_length=255, blank=True, editable=False, help_text="What the provider calls it by now, if otherwise."
    )
    moved_problem = models.TextField(
        blank=True, editable=False, help_text="Such as that another repository has its name by now."
    )
    looked_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the provider was last asked what it is called."
    )

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

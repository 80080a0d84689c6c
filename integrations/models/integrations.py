"""Integrations: one repository, mirrored into one AWS account and region."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from integrations.models.providers import Repository
from teams.encryption import EncryptedTextField
from teams.models import TeamOwned, TeamQuerySet, User


class Method(models.TextChoices):
    """How a pushed commit becomes a zip."""

    ZIP_DOWNLOAD = "zip_download", "Zip download"
    GIT_PULL = "git_pull", "Git pull"


class Transport(models.TextChoices):
    """How git pull reaches the provider."""

    SSH = "ssh", "SSH, with a key made in the AWS account"
    HTTPS = "https", "HTTPS, with the provider's token"


class Deployer(models.TextChoices):
    CODEDEPLOY = "codedeploy", "CodeDeploy"
    ECS = "ecs", "ECS"


class WebhookState(models.TextChoices):
    """Where an integration's webhook stands at the provider."""

    ABSENT = "absent", "Not installed"
    MANUAL = "manual", "To be added by hand"
    INSTALLED = "installed", "Installed"
    VERIFIED = "verified", "Receiving"


def all_branches() -> list[str]:
    return ["**"]


class Integration(TeamOwned):
    """One repository, mirrored into one AWS account and region, and deployed from there."""

    INTEGRATION_PATH = "pk"

    name = models.CharField(max_length=60, help_text="Lower-case letters, digits and hyphens.")
    repository = models.ForeignKey(Repository, on_delete=models.PROTECT, related_name="integrations")
    method = models.CharField(max_length=12, choices=Method.choices, default=Method.ZIP_DOWNLOAD)
    transport = models.CharField(
        max_length=5,
        choices=Transport.choices,
        default=Transport.SSH,
        help_text="Git pull: over SSH with the stack's key, or over HTTPS with the provider's token.",
    )
    refs = ArrayField(
        models.CharField(max_length=255),
        default=all_branches,
        help_text="Globs of what to mirror: `main`, `release/*`, `tags:v*`.",
    )
    paths = ArrayField(
        models.CharField(max_length=255),
        default=list,
        blank=True,
        help_text="Globs of files: a push that changes none of them is ignored. Empty: any file counts.",
    )
    ignored_paths = ArrayField(
        models.CharField(max_length=255),
        default=list,
        blank=True,
        help_text="Globs of files that do not count, also where they match `paths`.",
    )
    skip_ci = models.BooleanField(default=True, help_text="Ignore commits that say [skip ci] or [ci skip].")
    submodules = models.BooleanField(default=False, help_text="Git pull: fetch submodules too.")
    lfs = models.BooleanField(default=False, help_text="Git pull: fetch Git LFS files in place of their pointers.")
    commit_statuses = models.BooleanField(default=False, help_text="Show each delivery's state beside the commit.")
    commit_status_problem = models.TextField(blank=True, editable=False)
    obstacles = models.JSONField(
        default=list, blank=True, editable=False, help_text="What stood in the way at the provider when it was asked."
    )
    obstacles_problem = models.TextField(blank=True, editable=False, help_text="Why the provider could not be asked.")
    obstacles_checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    restrict_source_ips = models.BooleanField(
        default=False, help_text="Take webhooks only from the networks that the provider publishes."
    )
    applied_networks = ArrayField(
        models.CharField(max_length=43),
        default=list,
        blank=True,
        editable=False,
        help_text="The provider's networks that the stack knows.",
    )
    credentials_applied_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When those that the stack knows were set.",
    )
    heads_checked_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the provider's refs were last compared; null: never yet."
    )
    heads_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    heads_problem = models.TextField(blank=True, editable=False)
    deploy_ref = models.CharField(max_length=255, blank=True, help_text="The one branch that is deployed.")
    aws_account = models.ForeignKey("deployers.AwsAccount", on_delete=models.PROTECT, related_name="integrations")
    region = models.CharField(max_length=32)
    application = models.CharField(max_length=60)
    environment = models.CharField(max_length=60)
    deployers = ArrayField(models.CharField(max_length=12, choices=Deployer.choices), default=list, blank=True)
    rotate_every = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Days after which the SSH key is rotated; 0: never; null: as the panel is set.",
    )
    parameters = models.JSONField(default=dict, blank=True, help_text="Stack kind to template parameters.")
    webhook_secret = EncryptedTextField(blank=True, editable=False)
    webhook_secret_previous = EncryptedTextField(blank=True, editable=False)
    webhook_state = models.CharField(
        max_length=10, choices=WebhookState.choices, default=WebhookState.ABSENT, editable=False
    )
    webhook_remote_id = models.CharField(max_length=64, blank=True, editable=False)
    webhook_problem = models.TextField(blank=True, editable=False)
    webhook_pinged_at = models.DateTimeField(null=True, blank=True, editable=False)
    deliveries_cursor = models.CharField(max_length=40, blank=True, editable=False)
    deliveries_synced_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False)

    objects = TeamQuerySet["Integration"].as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="integration_name_once_per_team")]

    def __str__(self) -> str:
        return self.name

    @property
    def uses_ssh(self) -> bool:
        """Whether its pushes are fetched with its SSH key."""
        return self.method == Method.GIT_PULL and self.transport == Transport.SSH


class KnownHead(models.Model):
    """The commit of a mirrored ref at the provider, as the last check for missed pushes saw it."""

    TEAM_PATH = "integration__team"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="known_heads")
    ref = models.CharField(max_length=1024, help_text="In full: refs/heads/main.")
    commit = models.CharField(max_length=64, blank=True, help_text="Accounted for: delivered, or there from the start.")
    missing = models.CharField(max_length=64, blank=True, help_text="Seen at the provider, while no webhook came.")
    missing_since = models.DateTimeField(null=True, blank=True)

    objects = TeamQuerySet["KnownHead"].as_manager()

    class Meta:
        ordering = ["ref"]
        constraints = [models.UniqueConstraint(fields=["integration", "ref"], name="head_once_per_ref")]

    def __str__(self) -> str:
        return self.ref

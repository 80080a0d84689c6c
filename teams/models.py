"""Users, teams, roles, API tokens and the audit log."""

import uuid
from collections.abc import Collection, Iterable
from typing import Any, Self, TypeVar

from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db import models
from django.utils import timezone

from teams.encryption import EncryptedTextField


class User(AbstractUser):
    """A person or a service account. What it may do comes from its memberships."""

    is_service_account = models.BooleanField(
        default=False, help_text="Belongs to a team and to nobody: uses the API by tokens, and never signs in."
    )


class Role(models.TextChoices):
    """What a member may do in a team; each role may do all that the ones before it may."""

    VIEWER = "viewer", "Viewer"
    OPERATOR = "operator", "Operator"
    ADMIN = "admin", "Admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    def includes(self, other: "Role") -> bool:
        """Whether this role may do what `other` may."""
        return self.rank >= other.rank


class Scope(models.TextChoices):
    """What a token may be used for, of what its owner's role allows; each scope includes the ones before it."""

    READ = "read", "Read"
    DEPLOY = "deploy", "Deploy"
    PROVISION = "provision", "Provision"
    ADMIN = "admin", "Admin"

    def includes(self, other: "Scope") -> bool:
        """Whether a token of this scope may do what one of `other` may."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


class Team(models.Model):
    """The people who share providers, accounts and integrations; every object belongs to one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80, unique=True)
    slug = models.SlugField(max_length=80, unique=True)
    requires_second_factor = models.BooleanField(
        default=False, help_text="Members set up a second factor before they see anything."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(User, through="Membership", related_name="teams")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """One user's role in one team."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.VIEWER)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="one_role_per_team")]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.team}"


M = TypeVar("M", bound=models.Model)


class TeamQuerySet(models.QuerySet[M]):
    """Rows of a model that belongs to a team, directly or through `TEAM_PATH`."""

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Rows of the user's teams: the only way that pages and the API look objects up."""
        path = getattr(self.model, "TEAM_PATH", "team")
        return self.filter(**{f"{path}__memberships__user_id": user.pk})

    def of(self, team: Team) -> Self:
        """Rows of one team."""
        return self.filter(**{getattr(self.model, "TEAM_PATH", "team"): team})

    def within(self, integrations: Collection[uuid.UUID] | None) -> Self:
        """Rows about these integrations; None narrows nothing. What is about no integration is left out.

        A model says by `INTEGRATION_PATH` how it is tied to one; else its `TEAM_PATH` does.
        """
        if integrations is None:
            return self
        way, _, last = getattr(self.model, "TEAM_PATH", "team").rpartition("__")
        path = getattr(self.model, "INTEGRATION_PATH", way if last == "team" else "")
        return self.filter(**{f"{path}__in": integrations}) if path else self.none()


class TeamOwned(models.Model):
    """A row with an unguessable id that belongs to a team."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet[Any] | None = None,
    ) -> None:
        """As Django's; secrets are read when they are next asked for.

        Django's own decrypts all of them, so a row whose key is lost could not even be given another secret.
        """
        if fields is not None:
            super().refresh_from_db(using, fields, from_queryset)
            return
        secrets = [field.attname for field in self._meta.concrete_fields if isinstance(field, EncryptedTextField)]
        rows = type(self)._base_manager.db_manager(using).all() if from_queryset is None else from_queryset  # noqa: SLF001 - as Django reads itself
        super().refresh_from_db(using, None, rows.defer(*secrets) if secrets else rows)
        for secret in secrets:
            self.__dict__.pop(secret, None)


class ApiToken(models.Model):
    """A bearer token for the REST API, stored as a hash: it acts as its user, in one team, within its scope."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=16, help_text="The first characters, to recognise it by.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scope = models.CharField(max_length=9, choices=Scope.choices, default=Scope.READ)
    restricted_to = models.JSONField(
        null=True, blank=True, help_text="Ids of the only integrations that it may be used for; null for all."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_ip = models.GenericIPAddressField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}...)"


class Invitation(models.Model):
    """A link that puts one person into a team, stored as a hash. An accepted one stays as a record."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=8, choices=Role.choices)
    email = models.EmailField(blank=True, help_text="Where the link was sent; empty where somebody passes it on.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, related_name="+", null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, on_delete=models.SET_NULL, related_name="+", null=True, blank=True)

    objects = TeamQuerySet["Invitation"].as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.email or f"link of {self.created_at:%Y-%m-%d}"


class PasswordReset(models.Model):
    """A link with which a user sets another password, stored as a hash. It is deleted when one is used."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="password_resets")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"link of {self.created_at:%Y-%m-%d}"


class Source(models.TextChoices):
    """Where an act came from."""

    PAGE = "page", "Page"
    API = "api", "API"
    ADMIN = "admin", "Administration"
    COMMAND = "command", "Command"
    SYSTEM = "system", "System"


class AuditEntry(models.Model):
    """Who did what to which object. Rows are only ever added: the database refuses the rest (see the migrations)."""

    team = models.ForeignKey(Team, on_delete=models.SET_NULL, related_name="+", null=True)
    actor = models.ForeignKey(User, on_delete=models.SET_NULL, related_name="+", null=True)
    actor_name = models.CharField(max_length=150, help_text="Kept when the user is gone; `system` for its own acts.")
    action = models.CharField(max_length=60, help_text="noun.verb, such as `integration.provision`.")
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    object_name = models.CharField(max_length=200)
    changes = models.JSONField(default=dict, help_text="Field to [before, after]; a secret is only ever `changed`.")
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.SYSTEM)
    ip = models.GenericIPAddressField(null=True, blank=True, help_text="The client's address.")
    token = models.CharField(max_length=80, blank=True, help_text="Name of the API token.")
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)

    objects = TeamQuerySet["AuditEntry"].as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["team", "-created_at", "-id"], name="audit_by_team"),
            models.Index(fields=["object_type", "object_id", "-created_at"], name="audit_by_object"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.object_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk:
            raise TypeError("The audit log is append-only.")
        super().save(*args, **kwargs)

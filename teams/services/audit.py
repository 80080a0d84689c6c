"""Writing the audit log."""

from typing import Any

from django.db import models

from teams.models import AuditEntry, Team, User


def record(
    *,
    actor: User | None,
    team: Team | None,
    action: str,
    target: models.Model,
    changes: dict[str, Any] | None = None,
) -> AuditEntry:
    """Add an entry. `actor` None is the system itself; never put a secret into `changes`."""
    return AuditEntry.objects.create(
        team=team,
        actor=actor,
        actor_name=actor.get_username() if actor else "system",
        action=action,
        object_type=target._meta.model_name or "",
        object_id=str(target.pk),
        object_name=str(target)[:200],
        changes=changes or {},
    )

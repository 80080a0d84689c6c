"""Writing the audit log, and forgetting what is older than it has to be kept."""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone

from teams.models import AuditEntry, Team, User
from teams.services import origin

logger = logging.getLogger(__name__)
BATCH = 5_000


def record(
    *,
    actor: User | None,
    team: Team | None,
    action: str,
    target: models.Model | None,
    changes: dict[str, Any] | None = None,
) -> AuditEntry:
    """Add an entry. `actor` None is the system itself, or somebody who is not known.

    `changes` are fields with [before, after]; never put a secret there, write that it "changed". Where it comes from is
    read from `teams.services.origin`.
    """
    come = origin.current()
    return AuditEntry.objects.create(
        team=team,
        actor=actor,
        actor_name=actor.get_username() if actor else "system",
        action=action,
        object_type=target._meta.model_name or "" if target is not None else "",
        object_id=str(target.pk) if target is not None else "",
        object_name=str(target)[:200] if target is not None else "",
        changes=changes or {},
        source=come.source,
        ip=come.ip,
        token=come.token[:80],
    )


def newest(*, target: models.Model, action: str) -> AuditEntry | None:
    """The last time that `action` was done to an object; None if that is not known."""
    return AuditEntry.objects.filter(
        object_type=target._meta.model_name or "", object_id=str(target.pk), action=action
    ).first()


def forget_old() -> int:
    """Delete the entries that are older than SLUICE_AUDIT_RETENTION_DAYS, and note that. Returns how many."""
    days = settings.AUDIT_RETENTION_DAYS
    if days <= 0:
        return 0
    before, gone = timezone.now() - timedelta(days=days), 0
    while True:
        with transaction.atomic():
            old = AuditEntry.objects.filter(created_at__lt=before).order_by("created_at").values("pk")[:BATCH]
            with connection.cursor() as cursor:
                # For this transaction only: the database refuses every other deletion (see the migration).
                cursor.execute("SET LOCAL sluice.audit_retention = 'on'")
                deleted, _ = AuditEntry.objects.filter(pk__in=old).delete()
                cursor.execute("SET LOCAL sluice.audit_retention = 'off'")
        gone += deleted
        if deleted < BATCH:
            break
    if gone:
        record(actor=None, team=None, action="audit.forget", target=None, changes={"entries": gone, "days": days})
        logger.info("forgot %d audit entries that were older than %d days", gone, days)
    return gone

"""The audit log: written with where an act came from, and never changed afterwards."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone
from pytest_django.fixtures import Settings

from teams.models import AuditEntry, Scope, Team, User
from teams.services import audit, origin
from teams.services.origin import Limits, Origin


def made_ago(team: Team, days: int) -> AuditEntry:
    created_at = timezone.now() - timedelta(days=days)
    return AuditEntry.objects.create(team=team, actor_name="system", action="team.look", created_at=created_at)


def test_an_entry_tells_who_what_and_from_where(team: Team, admin: User) -> None:
    with origin.acting(Origin("api", ip="192.0.2.7")):
        origin.with_token("ci", Limits(Scope.ADMIN))
        audit.record(actor=admin, team=team, action="team.rename", target=team, changes={"name": ["Old", "Acme"]})
    audit.record(actor=None, team=None, action="audit.look", target=None)

    own, told = AuditEntry.objects.all()
    assert (told.actor_name, told.source, told.ip, told.token) == ("ada", "api", "192.0.2.7", "ci")
    assert (told.object_type, told.object_id, told.object_name) == ("team", str(team.pk), "Acme")
    assert (own.actor_name, own.source, own.ip, own.token) == ("system", "system", None, "")


@pytest.mark.parametrize(
    "act",
    [
        lambda row: AuditEntry.objects.filter(pk=row.pk).update(action="nothing.happened"),
        lambda row: AuditEntry.objects.filter(pk=row.pk).update(changes={}, actor=None),
        lambda row: AuditEntry.objects.filter(pk=row.pk).delete(),
    ],
    ids=["rewrite", "blank", "delete"],
)
def test_the_database_refuses_to_change_or_delete_an_entry(
    team: Team, admin: User, act: Callable[[AuditEntry], object]
) -> None:
    row = audit.record(actor=admin, team=team, action="team.look", target=team, changes={"name": ["a", "b"]})
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        act(row)
    assert AuditEntry.objects.filter(pk=row.pk, action="team.look").exists()


def test_an_entry_outlives_its_actor_and_its_team(team: Team, admin: User) -> None:
    audit.record(actor=admin, team=team, action="team.look", target=team)
    admin.delete()
    team.delete()
    kept = AuditEntry.objects.get()
    assert (kept.actor, kept.actor_name, kept.team, kept.object_name) == (None, "ada", None, "Acme")


def test_what_is_old_enough_is_forgotten_and_that_is_noted(team: Team, settings: Settings) -> None:
    settings.AUDIT_RETENTION_DAYS = 30
    made_ago(team, 31)
    kept = made_ago(team, 29)

    assert (audit.forget_old(), audit.forget_old()) == (1, 0)

    noted, left = AuditEntry.objects.all()
    assert left == kept
    assert (noted.action, noted.changes) == ("audit.forget", {"entries": 1, "days": 30})
    with pytest.raises(DatabaseError), transaction.atomic():
        kept.delete()


def test_nothing_is_forgotten_where_the_log_is_kept_for_ever(team: Team, settings: Settings) -> None:
    settings.AUDIT_RETENTION_DAYS = 0
    made_ago(team, 10_000)
    assert audit.forget_old() == 0

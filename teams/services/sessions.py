"""Sessions of people, as the database holds them."""

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from teams.models import User
from teams.services import audit


def of(user: User) -> "QuerySet[UserSession]":
    """Where somebody is signed in, the latest used first."""
    live = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    rows: QuerySet[UserSession] = UserSession.objects.filter(user=user, session_key__in=live)
    return rows.order_by("-last_seen_at")


def end(*, sessions: "QuerySet[UserSession]", user: User) -> int:
    """End some of one's own sessions; returns how many."""
    keys = list(sessions.filter(user=user).values_list("session_key", flat=True))
    if keys:
        Session.objects.filter(session_key__in=keys).delete()
        UserSession.objects.filter(session_key__in=keys).delete()
        changes = {"sessions": [len(keys), 0]}
        audit.record(actor=user, team=None, action="user.end_sessions", target=user, changes=changes)
    return len(keys)


def moved(*, before: str | None, after: str | None) -> None:
    """A session has another key now."""
    UserSession.objects.filter(session_key=before).update(session_key=after)


def forget_over() -> int:
    """Delete the sessions that are over, and what is noted of them; returns how many sessions those were."""
    gone, _ = Session.objects.filter(expire_date__lt=timezone.now()).delete()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
    return gone

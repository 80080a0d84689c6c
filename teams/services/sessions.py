"""Sessions of people, as the database holds them."""

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.utils import timezone


def forget_over() -> int:
    """Delete the sessions that are over, and what is noted of them; returns how many sessions those were."""
    gone, _ = Session.objects.filter(expire_date__lt=timezone.now()).delete()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
    return gone

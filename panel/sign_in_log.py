"""Signing in and out in the audit log, whichever page it happened on."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from panel import confirmation
from teams.models import User
from teams.services import audit


@receiver(user_logged_in)
def _in(sender: object, user: User, request: HttpRequest | None, **kwargs: Any) -> None:  # noqa: ARG001
    if request is not None:
        confirmation.note(request)
    audit.record(actor=user, team=None, action="user.sign_in", target=user)


@receiver(user_logged_out)
def _out(sender: object, user: User | None, **kwargs: Any) -> None:  # noqa: ARG001
    if user is not None:
        audit.record(actor=user, team=None, action="user.sign_out", target=user)


@receiver(user_login_failed)
def _failed(sender: object, credentials: dict[str, Any], **kwargs: Any) -> None:  # noqa: ARG001
    # Somebody may have typed a password where the name belongs, so only a name that exists is written down.
    user = User.objects.filter(username=str(credentials.get("username", ""))[:150]).first()
    audit.record(actor=None, team=None, action="user.sign_in_failed", target=user)

"""Signing in and out, second factors and confirmations in the audit log, whichever page it happened on."""

from typing import Any

from allauth.account.signals import authentication_step_completed
from allauth.mfa import signals as factors
from allauth.mfa.models import Authenticator
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from panel import confirmation, session_limits
from teams.models import User
from teams.services import audit

CONFIRMED = {"password": "user.confirm_password", "mfa": "user.confirm_second_factor"}


@receiver(user_logged_in)
def _in(sender: object, user: User, request: HttpRequest | None, **kwargs: Any) -> None:  # noqa: ARG001
    if request is not None:
        confirmation.note(request)
        session_limits.begin(request)
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


@receiver(factors.authentication_failed)
def _factor_failed(sender: object, user: User, authenticator: Authenticator, **kwargs: Any) -> None:  # noqa: ARG001
    changes = {"second_factor": authenticator.type}
    audit.record(actor=None, team=None, action="user.sign_in_failed", target=user, changes=changes)


@receiver(authentication_step_completed)
def _confirmed(sender: object, request: HttpRequest, user: User, method: str, **kwargs: Any) -> None:  # noqa: ARG001
    if kwargs.get("reauthenticated"):
        confirmation.note(request)
        audit.record(actor=user, team=None, action=CONFIRMED[method], target=user)


@receiver(factors.authenticator_added)
def _factor_added(sender: object, user: User, authenticator: Authenticator, **kwargs: Any) -> None:  # noqa: ARG001
    _factor("add", user, authenticator)


@receiver(factors.authenticator_removed)
def _factor_removed(sender: object, user: User, authenticator: Authenticator, **kwargs: Any) -> None:  # noqa: ARG001
    _factor("remove", user, authenticator)


@receiver(factors.authenticator_reset)
def _factor_renewed(sender: object, user: User, authenticator: Authenticator, **kwargs: Any) -> None:  # noqa: ARG001
    _factor("renew", user, authenticator)


def _factor(verb: str, user: User, authenticator: Authenticator) -> None:
    changes = {"kind": authenticator.type}
    audit.record(actor=user, team=None, action=f"second_factor.{verb}", target=user, changes=changes)

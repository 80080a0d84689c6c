"""A password that is forgotten: a link, by e-mail or from a superuser, with which its owner sets another one.

The link is 256 random bits, stored as a hash, and works once. It replaces the password alone: the second factor is
asked for as before, and nobody is signed in by it.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from teams.errors import Forbidden, Refused, SluiceError
from teams.models import PasswordReset, User
from teams.services import accounts, audit, mail, sessions

MAILED_HOURS, HANDED_HOURS = 1, 24
"""How long a link works that was sent by e-mail, and one that a person passes on."""
MOST_OPEN = 5
"""Links of one user that work at once: who asks for more gets none, and floods no mailbox."""


class NotValid(SluiceError):
    """There is no such link, or none that still works."""

    code = "reset_not_valid"
    status = 404

    def __init__(self) -> None:
        super().__init__("This link is not valid.", remedy="Ask for another one.")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def can_mail() -> bool:
    """Whether people can ask for a link themselves."""
    return bool(settings.PASSWORDS) and mail.is_configured()


def whose(name: str) -> User | None:
    """The person who can be sent a link: by user name or by e-mail address, which has to be proven in both cases."""
    name = name.strip()
    people = User.objects.filter(is_active=True, is_service_account=False)
    found = people.filter(username=name).first()
    if found is None:
        kept = EmailAddress.objects.filter(email=name.lower(), verified=True).values("user")
        found = people.filter(pk__in=kept).first()
    return found if found is not None and accounts.is_verified(found) else None


def send(user_id: int) -> None:
    """Send a person a link, to the address that they have proven; nobody is told if there is none.

    Raises MailFailed.
    """
    user = User.objects.filter(pk=user_id, is_active=True, is_service_account=False).first()
    if user is None or not can_mail() or not accounts.is_verified(user) or _open_of(user) >= MOST_OPEN:
        return
    url, until = _make(user, actor=None, hours=MAILED_HOURS)
    mail.send(
        to=user.email,
        subject="Your password on Sluice",
        body=(
            f"Somebody, you most likely, forgot the password of {user.get_username()} on Sluice. Set another one "
            f"here:\n\n{url}\n\nThe link works once, until {until:%-d %B %Y %H:%M} UTC. If it was not you, ignore "
            "this: nothing changes.\n"
        ),
    )


def hand_out(*, user: User, actor: User | None) -> tuple[str, datetime]:
    """A link to pass on to its owner, whom the maker has made sure of, and until when it works.

    `actor` is a superuser, or None for `manage.py password_link`. Raises Forbidden, and Refused where it is no use.
    """
    if actor is not None and not (actor.is_superuser and actor.is_active):
        raise Forbidden("Only a superuser makes links to set a password.")
    if not settings.PASSWORDS:
        raise Refused("This panel takes no passwords.")
    if user.is_service_account or not user.is_active:
        raise Refused(f"{user} does not sign in.")
    return _make(user, actor=actor, hours=HANDED_HOURS)


def _make(user: User, *, actor: User | None, hours: int) -> tuple[str, datetime]:
    token, until = secrets.token_urlsafe(32), timezone.now() + timedelta(hours=hours)
    with transaction.atomic():
        PasswordReset.objects.create(user=user, digest=_digest(token), expires_at=until)
        audit.record(actor=actor, team=None, action="user.make_password_link", target=user, changes={"hours": hours})
    return f"{settings.PANEL_URL}/forgotten-password/{token}/", until


def _open_of(user: User) -> int:
    return PasswordReset.objects.filter(user=user, expires_at__gt=timezone.now()).count()


def find(token: str) -> User:
    """Whose password a link sets. Raises NotValid."""
    found = PasswordReset.objects.filter(
        digest=_digest(token),
        expires_at__gt=timezone.now(),
        user__is_active=True,
        user__is_service_account=False,
    ).select_related("user")
    if not settings.PASSWORDS or (row := found.first()) is None:
        raise NotValid
    return row.user


def use(*, token: str, password: str, revoke_tokens: bool) -> User:
    """Set the password; every session of the user ends, and every other link of theirs.

    Raises NotValid, and Refused with the field that is wrong: then the link still works.
    """
    with transaction.atomic():
        user = find(token)
        # Of two at once the second waits here, and finds none.
        if not PasswordReset.objects.select_for_update().filter(digest=_digest(token)).exists():
            raise NotValid
        accounts.change_password(user=user, password=password, revoke_tokens=revoke_tokens)
        PasswordReset.objects.filter(user=user).delete()
        sessions.end(sessions=sessions.of(user), user=user)
    return user


def forget_over() -> int:
    """Delete the links that work no more; returns how many those were."""
    gone, _ = PasswordReset.objects.filter(expires_at__lt=timezone.now()).delete()
    return gone

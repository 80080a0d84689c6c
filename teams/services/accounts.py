"""What a person changes about their own account: password and e-mail address."""

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from teams.errors import Refused
from teams.models import User
from teams.services import audit, mail, tokens

_SALT = "email-address"
LINK_HOURS = 24


def change_password(*, user: User, password: str, revoke_tokens: bool) -> int:
    """Set another password; returns how many API tokens were revoked, where that was asked.

    Django ends every session of the old password; `teams.services.sessions` forgets them. Raises Refused with the
    field that is wrong.
    """
    if not settings.PASSWORDS:
        raise Refused("This panel takes no passwords.")
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Refused(" ".join(error.messages), field="password") from error
    user.set_password(password)
    with transaction.atomic():
        user.save(update_fields=["password"])
        user.password_resets.all().delete()  # a link that somebody else asked for must not outlive this
        revoked = tokens.revoke_all(user=user, actor=user) if revoke_tokens else 0
        changes = {"password": "changed", **({"tokens": [revoked, 0]} if revoke_tokens else {})}
        audit.record(actor=user, team=None, action="user.change_password", target=user, changes=changes)
    return revoked


def change_email(*, user: User, email: str) -> bool:
    """Set another e-mail address, or ask the new one first; whether it was asked, by a link that it was sent.

    A panel that cannot send e-mail takes the address as it is, unverified. Raises Refused with the field, MailFailed.
    """
    email = email.strip()
    try:
        validate_email(email)
    except ValidationError as error:
        raise Refused("This is not an e-mail address.", field="email") from error
    if not mail.is_configured():
        _set(user, email, verified=False)
        return False
    token = signing.dumps({"user": user.pk, "email": email, "old": user.email}, salt=_SALT)
    mail.send(
        to=email,
        subject="Your e-mail address on Sluice",
        body=(
            f"{user.get_username()} wants this to be their address on Sluice. If that is you, confirm it within "
            f"{LINK_HOURS} hours:\n\n{settings.PANEL_URL}/profile/email/{token}/\n\nIf not, ignore this.\n"
        ),
    )
    return True


def is_verified(user: User) -> bool:
    """Whether the user has proven to have their address."""
    kept = user.email.lower()  # as EmailAddress.clean writes it
    return bool(kept) and EmailAddress.objects.filter(user=user, email=kept, verified=True).exists()


def address_of(token: str, *, user: User) -> str:
    """The address that a link confirms, for the user who asked for it. Raises Refused."""
    try:
        asked = signing.loads(token, salt=_SALT, max_age=LINK_HOURS * 3600)
    except signing.BadSignature as error:
        raise Refused("This link is not valid any more.", remedy="Change the address again.") from error
    if asked["user"] != user.pk or asked["old"] != user.email:
        raise Refused("This link is not valid any more.", remedy="Sign in as who asked for it, or change it again.")
    return str(asked["email"])


def confirm_email(*, user: User, token: str) -> str:
    """Take the address that a link was sent to; returns it. Raises Refused."""
    email, old = address_of(token, user=user), user.email
    _set(user, email, verified=True)
    if old and old != email:
        mail.send(
            to=old,
            subject="Your e-mail address on Sluice",
            body=f"The address of {user.get_username()} on Sluice is {email} now, and no longer this one.\n",
        )
    return email


def _set(user: User, email: str, *, verified: bool) -> None:
    before = user.email
    try:
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(email=email)
            EmailAddress.objects.filter(user=user).delete()
            user.password_resets.all().delete()
            if verified:
                EmailAddress.objects.create(user=user, email=email.lower(), verified=True, primary=True)
            changes = {"email": [before, email]}
            audit.record(actor=user, team=None, action="user.change_email", target=user, changes=changes)
    except IntegrityError as error:
        raise Refused("Another account has this address.", field="email") from error
    user.email = email

"""Invitations: a link that puts one person into a team. The link is shown or sent once; a hash of it is kept."""

import hashlib
import secrets
from datetime import timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from teams import policy
from teams.errors import Refused
from teams.models import Invitation, Membership, Role, Team, TeamQuerySet, User
from teams.policy import Act
from teams.services import audit, mail, members

DEFAULT_DAYS, MOST_DAYS = 7, 30
MOST_OPEN = 200


class NotValid(Refused):
    """The link was used, has expired, was taken back, or never was one; nobody is told which."""

    code = "invitation_not_valid"
    status = 404

    def __init__(self) -> None:
        super().__init__("This invitation is not valid any more.", remedy="Ask for another one.")


def _digest(token: str) -> str:
    # 256 random bits: a plain hash is as good as a slow one.
    return hashlib.sha256(token.encode()).hexdigest()


def link(token: str) -> str:
    """Where the invited person opens it."""
    return f"{settings.PANEL_URL}/invitations/{token}/"


def _standing() -> TeamQuerySet[Invitation]:
    """Those that let somebody in: whoever made one must still be an admin of the team, or removal leaves a way back."""
    return Invitation.objects.filter(
        accepted_at=None,
        expires_at__gt=timezone.now(),
        invited_by__is_active=True,
        invited_by__memberships__team=F("team"),
        invited_by__memberships__role=Role.ADMIN,
    )


def open_of(team: Team) -> QuerySet[Invitation]:
    """Those that can still be accepted, newest first."""
    return _standing().of(team).select_related("invited_by")


def create(
    *, team: Team, actor: User, role: Role, email: str = "", days: int = DEFAULT_DAYS
) -> tuple[Invitation, str | None]:
    """Invite one person.

    With an `email` the link is sent there, and to nobody else: the second value is None. Without, the second value is
    the link, which cannot be shown again. Raises Forbidden, Refused with the field that is wrong, and MailFailed.
    """
    policy.require(Act.ADMINISTER_MEMBERS, user=actor, team=team)
    email = email.strip()
    _check(team, email=email, days=days)
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        made = Invitation.objects.create(
            team=team,
            role=role,
            email=email,
            digest=_digest(token),
            invited_by=actor,
            expires_at=timezone.now() + timedelta(days=days),
        )
        changes = {"role": [None, role], "days": days, **({"email": email} if email else {})}
        audit.record(actor=actor, team=team, action="invitation.create", target=made, changes=changes)
    if not email:
        return made, link(token)
    try:
        _send(made, token)
    except mail.MailFailed:
        _withdraw(made, actor=actor)
        raise
    return made, None


def _check(team: Team, *, email: str, days: int) -> None:
    if not 1 <= days <= MOST_DAYS:
        raise Refused(f"An invitation is valid for 1 to {MOST_DAYS} days.", field="days")
    if email and not mail.is_configured():
        raise Refused("This panel cannot send e-mail.", remedy="Make a link and send it yourself.", field="email")
    if email:
        try:
            validate_email(email)
        except ValidationError as error:
            raise Refused("This is not an e-mail address.", field="email") from error
    if open_of(team).count() >= MOST_OPEN:
        raise Refused(f"There are {MOST_OPEN} open invitations.", remedy="Take back those that nobody needs.")


def _send(invitation: Invitation, token: str) -> None:
    inviter = invitation.invited_by
    assert inviter is not None  # noqa: S101 - it was made a moment ago
    mail.send(
        to=invitation.email,
        subject=f"Join {invitation.team} on Sluice",
        body=(
            f"{inviter.get_username()} invites you to the team {invitation.team} on Sluice, as {invitation.role}.\n\n"
            f"{link(token)}\n\n"
            f"The link works once, until {invitation.expires_at:%-d %B %Y %H:%M} UTC. If you do not know what this is "
            "about, ignore it.\n"
        ),
    )


def revoke(*, invitation: Invitation, actor: User) -> None:
    """Take an invitation back. Raises Forbidden, and Refused if it was accepted meanwhile."""
    policy.require(Act.ADMINISTER_MEMBERS, user=actor, team=invitation.team)
    _withdraw(invitation, actor=actor)


def _withdraw(invitation: Invitation, *, actor: User) -> None:
    with transaction.atomic():
        row = Invitation.objects.select_for_update().filter(pk=invitation.pk, accepted_at=None).first()
        if row is None:
            raise Refused("It was accepted meanwhile.")
        audit.record(actor=actor, team=row.team, action="invitation.revoke", target=row)
        row.delete()


def find(token: str) -> Invitation:
    """The invitation that a link stands for. Raises NotValid."""
    found = _standing().select_related("team", "invited_by").filter(digest=_digest(token)).first()
    if found is None:
        raise NotValid
    return found


def was_accepted(*, token: str, user: User) -> bool:
    """Whether this user joined with it."""
    return Invitation.objects.filter(digest=_digest(token), accepted_by=user).exists()


def accept(*, token: str, user: User) -> Membership:
    """Join the team. Raises NotValid, and Refused for a member, whom the link leaves as it is."""
    with transaction.atomic():
        invitation = _claim(token)
        return _join(invitation, user)


def accept_as_new(*, token: str, username: str, password: str) -> User:
    """Make an account with a password, and join with it. Raises NotValid, and Refused with the field that is wrong."""
    user = User(username=username.strip())
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        raise Refused(" ".join(error.message_dict.get("username", error.messages)), field="username") from error
    if User.objects.filter(username__iexact=user.username).exists():
        raise _taken()
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Refused(" ".join(error.messages), field="password") from error
    if not settings.PASSWORDS:
        raise Refused("This panel takes no passwords.", remedy="Choose another way to sign in.")
    user.set_password(password)  # slow, so before rows are locked
    try:
        with transaction.atomic():
            invitation = _claim(token)
            new_account(invitation, user)
            _join(invitation, user)
    except IntegrityError as error:
        raise _taken() from error
    return user


def _taken() -> Refused:
    return Refused("Somebody has this user name already.", field="username")


def new_account(invitation: Invitation, user: User) -> None:
    """Save a new user. An address that the link was sent to is theirs, as nobody else got the link."""
    user.email = user.email or invitation.email
    user.save()
    address = invitation.email.lower()  # as EmailAddress.clean writes it
    if address and not EmailAddress.objects.filter(email=address, verified=True).exists():
        EmailAddress.objects.create(user=user, email=address, verified=True, primary=True)
    audit.record(actor=user, team=invitation.team, action="user.create", target=user)


def _claim(token: str) -> Invitation:
    rows = _standing().select_for_update(of=("self",)).select_related("team")
    found = rows.filter(digest=_digest(token)).first()
    if found is None:
        raise NotValid
    return found


def _join(invitation: Invitation, user: User) -> Membership:
    team = invitation.team
    if user.is_service_account:
        raise Refused("Invitations are for people.", remedy="Add a service account to the team in its own pages.")
    with members.locked(team):
        if Membership.objects.filter(team=team, user=user).exists():
            raise Refused(f"You are in {team} already.")
        Invitation.objects.filter(pk=invitation.pk).update(accepted_at=timezone.now(), accepted_by=user)
        audit.record(actor=user, team=team, action="invitation.accept", target=invitation)
        return members.add(team=team, user=user, role=Role(invitation.role), actor=user)

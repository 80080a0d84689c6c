"""API tokens: shown once, stored as a hash, looked up by it."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from teams import policy
from teams.errors import Refused
from teams.models import ApiToken, Scope, Team, User
from teams.policy import Act
from teams.services import audit, origin, roles
from teams.services.origin import Limits

PREFIX = "sluice_"
LAST_USED_RESOLUTION = timedelta(minutes=1)
DEFAULT_DAYS = 90
"""How long a token is valid if nobody says otherwise."""
MOST_PER_OWNER = 100


def _digest(token: str) -> str:
    # A token has 256 random bits, so a plain hash is as good as a slow one, and lookups stay indexed.
    return hashlib.sha256(token.encode()).hexdigest()


def create(
    *,
    actor: User,
    team: Team,
    name: str,
    scope: Scope,
    owner: User | None = None,
    restricted_to: Collection[UUID] | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Make a token; the second value is the token itself, which cannot be shown again.

    `owner` is a service account of the team; None makes a token of the actor. `restricted_to` are the ids of the only
    integrations that it is for. `expires_at` None: it has no end.
    Raises Forbidden, and Refused with the field that is wrong.
    """
    if owner is None or owner == actor:
        owner = actor
        policy.require(Act.MAKE_TOKEN, user=actor, team=team)
    else:
        policy.require(Act.ADMINISTER_SERVICE_ACCOUNTS, user=actor, team=team)
        if not owner.is_service_account or roles.role_in(user=owner, team=team) is None:
            raise Refused("That is not a service account of this team.", field="owner")
    if not name.strip():
        raise Refused("Name the token after what will use it.", field="name")
    if restricted_to is not None and not restricted_to:
        raise Refused("Choose at least one integration, or do not restrict the token.", field="restricted_to")
    if expires_at is not None and expires_at <= timezone.now():
        raise Refused("Choose a time in the future.", field="expires_at")
    if ApiToken.objects.filter(user=owner, team=team).count() >= MOST_PER_OWNER:
        raise Refused(f"There are {MOST_PER_OWNER} tokens already.", remedy="Revoke those that nobody uses.")
    plain = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=owner,
        team=team,
        name=name.strip(),
        scope=scope,
        restricted_to=None if restricted_to is None else sorted(str(each) for each in restricted_to),
        prefix=plain[:12],
        digest=_digest(plain),
        expires_at=expires_at,
    )
    audit.record(actor=actor, team=team, action="token.create", target=token, changes=_shown(token))
    return token, plain


def _shown(token: ApiToken) -> dict[str, object]:
    shown: dict[str, object] = {"owner": token.user.get_username(), "scope": token.scope}
    if token.restricted_to is not None:
        shown["restricted_to"] = token.restricted_to
    if token.expires_at is not None:
        shown["expires_at"] = token.expires_at.isoformat()
    return shown


def revoke(*, token: ApiToken, actor: User) -> None:
    """End a token: one's own, or one of a service account. Raises Forbidden."""
    if token.user_id != actor.pk:
        policy.require(Act.ADMINISTER_SERVICE_ACCOUNTS, user=actor, team=token.team)
    key = token.pk
    audit.record(actor=actor, team=token.team, action="token.revoke", target=token, changes=_shown(token))
    token.delete()
    token.pk = key


def revoke_all(*, user: User, actor: User) -> int:
    """End every token of a person, as when a password changed. Returns how many."""
    found = list(ApiToken.objects.filter(user=user).select_related("team", "user"))
    for token in found:
        audit.record(actor=actor, team=token.team, action="token.revoke", target=token, changes=_shown(token))
    ApiToken.objects.filter(pk__in=[token.pk for token in found]).delete()
    return len(found)


def limits(token: ApiToken) -> Limits:
    """What the token narrows its owner's role to."""
    only = token.restricted_to
    return Limits(Scope(token.scope), None if only is None else frozenset(UUID(each) for each in only))


def authenticate(plain: str) -> ApiToken | None:
    """The live token of an active member of its team, or None."""
    now = timezone.now()
    token = (
        ApiToken.objects.select_related("user", "team")
        .filter(
            Q(expires_at=None) | Q(expires_at__gt=now),
            digest=_digest(plain),
            user__is_active=True,
        )
        .first()
    )
    if token is None or not token.team.memberships.filter(user=token.user).exists():
        return None
    if token.last_used_at is None or now - token.last_used_at > LAST_USED_RESOLUTION:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now, last_used_ip=origin.current().ip)
    return token

"""API tokens: shown once, stored as a hash, looked up by it."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from teams.models import ApiToken, Team, User

PREFIX = "sluice_"
LAST_USED_RESOLUTION = timedelta(minutes=1)


def _digest(token: str) -> str:
    # A token has 256 random bits, so a plain hash is as good as a slow one, and lookups stay indexed.
    return hashlib.sha256(token.encode()).hexdigest()


def create(*, user: User, team: Team, name: str, expires_at: datetime | None = None) -> tuple[ApiToken, str]:
    """Make a token; the second value is the token itself, which cannot be shown again."""
    plain = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user, team=team, name=name, prefix=plain[:12], digest=_digest(plain), expires_at=expires_at
    )
    return token, plain


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
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token

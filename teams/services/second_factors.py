"""Second factors: who has one, who has to have one, and taking them away from somebody who lost theirs.

The rows are django-allauth's `Authenticator`: a secret of an app (TOTP), passkeys, and recovery codes.
"""

from collections.abc import Iterable, Iterator

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction

from teams import encryption
from teams.encryption import Ciphertext
from teams.errors import Forbidden, Refused
from teams.models import Team, User
from teams.services import audit

# django-allauth encrypts before it has a row, so these secrets are bound to their kind and not to their row.
BOUND_TO = "mfa.authenticator|*|data"
_SECRETS = ("secret", "seed")
PROVES = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def has_one(user: User) -> bool:
    """Whether the user has an app or a passkey; recovery codes alone are none."""
    return bool(Authenticator.objects.filter(user=user, type__in=PROVES).exists())


def is_required(user: User, *, teams: Iterable[Team]) -> bool:
    """Whether the panel's setting or one of the user's teams asks for a second factor."""
    if settings.SECOND_FACTOR == "everyone" or (settings.SECOND_FACTOR == "staff" and user.is_staff):
        return True
    return any(team.requires_second_factor for team in teams)


def stored_secrets() -> Iterator[tuple[int, Ciphertext]]:
    """Every encrypted secret of a second factor, with its row's key: an app's, or that of recovery codes."""
    for pk, data in Authenticator.objects.order_by("pk").values_list("pk", "data"):
        yield from ((pk, Ciphertext(data[name])) for name in _SECRETS if name in data)


def move_to_newest_key(pk: int) -> int:
    """Encrypt one row's secrets with the newest key; returns how many those were. Raises DecryptionFailed."""
    newest, moved = encryption.key_ids()[0], 0
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().filter(pk=pk).first()
        if row is None:  # removed meanwhile
            return 0
        for name in _SECRETS:
            if name in row.data and encryption.key_id(row.data[name]) != newest:
                plain = encryption.decrypt(row.data[name], bound_to=BOUND_TO)
                row.data[name] = encryption.encrypt(plain, bound_to=BOUND_TO)
                moved += 1
        row.save(update_fields=["data"])
    return moved


def reset(*, user: User, actor: User | None) -> int:
    """Take every second factor of a user away, for somebody who lost theirs; returns how many those were.

    `actor` is a superuser who made sure who is asking, or None for `manage.py reset_second_factor`. Raises Forbidden,
    and Refused where there is none.
    """
    if actor is not None and not (actor.is_superuser and actor.is_active):
        raise Forbidden("Only a superuser resets a second factor.")
    with transaction.atomic():
        found = list(Authenticator.objects.select_for_update().filter(user=user))
        if not found:
            raise Refused(f"{user} has no second factor.")
        kinds = sorted({each.type for each in found})
        Authenticator.objects.filter(pk__in=[each.pk for each in found]).delete()
        audit.record(
            actor=actor, team=None, action="second_factor.reset", target=user, changes={"factors": [kinds, None]}
        )
    return len(found)

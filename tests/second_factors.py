"""Second factors for tests: what an app would show now."""

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time

from teams.models import User

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def make_app(user: User) -> Authenticator:
    """An app with SECRET, and recovery codes."""
    RecoveryCodes.activate(user)
    return TOTP.activate(user, SECRET).instance


def code_of(secret: str = SECRET) -> str:
    """The six digits that the app shows now (RFC 6238)."""
    counters = list(yield_hotp_counters_from_time())  # those that are taken; the one of now stands in the middle
    return format_hotp_value(hotp_value(secret, counters[len(counters) // 2]))


def recovery_codes(user: User) -> list[str]:
    return Authenticator.objects.get(user=user, type=Authenticator.Type.RECOVERY_CODES).wrap().get_unused_codes()

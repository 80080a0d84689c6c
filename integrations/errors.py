"""What can go wrong with a git provider, in words for people.

SluiceError (teams.errors)
    InvalidValue                a value a person gave does not fit; `field` names it
        InvalidValues           several of them, all told at once
    SettingsChanged             somebody else was faster; says who changed what
    ProviderError               what came of calling a provider's API
        HostNotAllowed          its address is none that the panel may connect to
        ProviderUnreachable     no answer, or one that says 5xx                           retryable
        CertificateNotTrusted   TLS cannot be verified
        ProviderRateLimited     too many calls; `retry_after` says how long to wait       retryable
        UnexpectedAnswer        an answer that is not this provider's API
        CredentialsUnreadable   the panel cannot decrypt what it keeps
        CredentialsRejected     the token is wrong, expired or revoked
        PermissionMissing       the token is good, but may not do this; `missing` says what it lacks
        NotFoundAtProvider      nothing there, or nothing that this token may see
        ProviderRefused         the provider says no for a reason of its own
            KeyInUse            the SSH key already belongs to something else
            WebhookLimitReached the repository has as many webhooks as the provider allows

Messages quote what the provider says, shortened and with our credentials taken out.
"""

from collections.abc import Sequence

from teams.errors import SluiceError


class InvalidValue(SluiceError):
    """A value that a person gave does not fit; `field` names the form field."""

    code = "invalid"
    status = 400


class InvalidValues(InvalidValue):
    """Several values of one form do not fit; `fields` has them all."""

    def __init__(self, problems: Sequence[InvalidValue]) -> None:
        first = problems[0]
        super().__init__(first.message, remedy=first.remedy, field=first.field)
        self.problems = tuple(problems)

    @property
    def fields(self) -> list[tuple[str, str]]:
        return [(each.field, str(each)) for each in self.problems]


class SettingsChanged(SluiceError):
    """Somebody else changed it since the caller looked. `by` and `names` say who, and which settings."""

    code = "changed"
    status = 412

    def __init__(self, *, by: str, names: Sequence[str]) -> None:
        who = by or "Somebody else"
        what = f" {', '.join(names)}" if names else " these settings"
        super().__init__(
            f"{who} changed{what} meanwhile.", remedy="Look at what is there now, then send your change again."
        )
        self.by = by
        self.names = tuple(names)


class ProviderError(SluiceError):
    """A git provider could not be called, or said no. `retry_after` is in seconds where the provider told."""

    code = "provider_error"
    status = 502

    def __init__(self, message: str, *, remedy: str = "", field: str = "", retry_after: int | None = None) -> None:
        super().__init__(message, remedy=remedy, field=field)
        self.retry_after = retry_after


class HostNotAllowed(ProviderError):
    """The provider's host is not HTTPS, does not resolve, or resolves only to addresses the panel must not call."""

    code = "host_not_allowed"
    status = 400


class ProviderUnreachable(ProviderError):
    """The provider did not answer, or answered that it cannot."""

    code = "provider_unreachable"
    retryable = True


class CertificateNotTrusted(ProviderError):
    """The provider's TLS certificate is not by an authority we trust, or not for its host."""

    code = "certificate_not_trusted"


class ProviderRateLimited(ProviderError):
    """The provider wants fewer calls; again after `retry_after` seconds."""

    code = "provider_rate_limited"
    status = 503
    retryable = True


class UnexpectedAnswer(ProviderError):
    """The answer is not what the provider's documentation says."""

    code = "provider_unexpected_answer"


class CredentialsUnreadable(ProviderError):
    """The panel cannot decrypt the credentials that it keeps for this provider."""

    code = "credentials_unreadable"
    status = 503


class CredentialsRejected(ProviderError):
    """The credentials are wrong, expired or revoked."""

    code = "credentials_rejected"
    status = 400


class PermissionMissing(ProviderError):
    """The credentials are good, but may not do this. `missing` names the permissions in the provider's own words."""

    code = "permission_missing"
    status = 409

    def __init__(self, message: str, *, missing: Sequence[str] = (), remedy: str = "", field: str = "") -> None:
        super().__init__(message, remedy=remedy, field=field)
        self.missing = tuple(missing)


class NotFoundAtProvider(ProviderError):
    """The provider has nothing there, or hides it from these credentials."""

    code = "not_found_at_provider"
    status = 404


class ProviderRefused(ProviderError):
    """The provider understood and said no."""

    code = "provider_refused"
    status = 409


class KeyInUse(ProviderRefused):
    """The SSH key is already on another repository or account."""

    code = "key_in_use"


class WebhookLimitReached(ProviderRefused):
    """The repository has as many webhooks as the provider allows."""

    code = "webhook_limit_reached"

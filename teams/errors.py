"""The base of Sluice's own errors.

SluiceError
    integrations.errors.ProviderError    what a git provider answered
    deployers.errors.AwsError            what AWS answered
    teams.encryption.DecryptionFailed    a stored secret cannot be read any more
    Refused                              a rule of ours says no: conflict, busy, not allowed
        Forbidden                        the role may not do this
"""


class SluiceError(Exception):
    """A failure that people can read: what happened, and what to do next.

    `message` says what happened, `remedy` what the person can do, `code` names the case for machines, `status`
    is the HTTP status that the API answers, `field` names the form field it belongs to, and `retryable` tells
    whether the same call may succeed later without anyone changing anything.
    """

    code = "error"
    status = 400
    retryable = False

    def __init__(self, message: str, *, remedy: str = "", field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.field = field

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The fields that are wrong, as dotted paths, each with what is wrong with it."""
        return [(self.field, self.message)] if self.field else []

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class Refused(SluiceError):
    """A rule of Sluice says no, whatever the provider or AWS think of it."""

    code = "refused"
    status = 409


class Forbidden(Refused):
    """The user's role in the team does not allow this."""

    code = "forbidden"
    status = 403

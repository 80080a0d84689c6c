"""What can go wrong with a delivery.

    WebhookError                  the request itself cannot be accepted
    ├── BadSource                 it comes from an address that is not allowed
    ├── BodyTooLarge
    ├── BadSignature              nobody who knows the secret sent it
    └── BadPayload                it is signed, and yet no payload of this provider
    FetchError                    an accepted delivery could not become an artifact
    ├── TemporaryFailure          trying again may help; may say when
    └── PermanentFailure          only a person can help; the message says how
        └── BadCredentials        the provider does not take our token (any more)
    NotWanted                     an accepted delivery changes nothing that counts, as turned out on the way
    Overtaken                     the ref of an accepted delivery stands elsewhere by now
    InvalidName                   a name that must not become a path or an object key

Messages are for people and are shown in the panel: they carry no secrets.
"""


class WebhookError(Exception):
    """A webhook request that is not accepted. `http_status` is what its sender is answered."""

    http_status = 400


class BadSource(WebhookError):
    """The request comes from an address that the stack does not allow."""

    http_status = 401


class BodyTooLarge(WebhookError):
    """The body is larger than the receiver takes."""

    http_status = 413


class BadSignature(WebhookError):
    """The signature is missing, or made with another secret."""

    http_status = 401


class BadPayload(WebhookError):
    """The body is not what the provider documents for this event."""


class FetchError(Exception):
    """A commit could not be fetched or stored. `retryable` says whether trying again may help."""

    retryable = False


class TemporaryFailure(FetchError):
    """The next attempt may succeed; not before `retry_after` seconds if the other side said so."""

    retryable = True

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentFailure(FetchError):
    """No attempt will succeed until a person changes something."""


class BadCredentials(PermanentFailure):
    """The provider does not accept the token. A newer one may have been stored since ours was read."""


class NotWanted(Exception):
    """The commit is not stored, as it changes no file that counts. The message says which would."""


class Overtaken(Exception):
    """The commit is not stored: its ref points at another one, or is gone. The message says so."""


class InvalidName(ValueError):
    """A repository, ref or path that cannot safely become a path or an object key."""

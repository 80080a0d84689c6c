"""What can go wrong, in words for the person at the terminal.

AcceptanceError
├── MissingInput   something that has to be given is not there; nothing was made; exit status 2
└── StepFailed     a step did not come out as it should; exit status 1
"""


class AcceptanceError(Exception):
    """It cannot go on; the message says why."""

    exit_status = 1


class MissingInput(AcceptanceError):
    """A credential, name or address is missing or cannot be used."""

    exit_status = 2


class StepFailed(AcceptanceError):
    """A step did not come out as it should; the message says which and how."""


class NotFound(StepFailed):
    """The API answered 404."""


class Conflict(StepFailed):
    """The API answered 409: something else goes on."""

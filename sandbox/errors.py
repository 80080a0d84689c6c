"""What can go wrong while the sandbox runs, in words for the person at the terminal.

SandboxError
├── UsageError       asked for something that cannot be; exit status 2
└── DidNotStart      a part ended or did not answer in time
"""


class SandboxError(Exception):
    """The sandbox cannot go on; the message says why and what to do."""

    exit_status = 1


class UsageError(SandboxError):
    """What was asked for cannot be."""

    exit_status = 2


class DidNotStart(SandboxError):
    """A part ended or did not answer in time; the message holds the end of its log."""

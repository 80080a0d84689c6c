"""How long what takes time may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """The longest that is waited for each, in seconds; the defaults are for AWS.

    Attributes:
        role: until a new role is known everywhere:
            https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html
        provision: an operation on stacks.
        deliver: from a push to its artifact, and the rotation of a key.
        deploy: from a push to the end of its deployment, with the build.
    """

    role: float = 120.0
    provision: float = 3600.0
    deliver: float = 300.0
    deploy: float = 2400.0

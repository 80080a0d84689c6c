"""The states of a delivery, in one place for the functions and the panel."""

from enum import StrEnum


class DeliveryStatus(StrEnum):
    """received -> queued -> fetching -> stored | failed | superseded | ignored; `retrying` between two attempts.

    What is not wanted is `ignored` at once, or by the worker where only a look at the files can tell.
    """

    RECEIVED = "received"
    QUEUED = "queued"
    FETCHING = "fetching"
    RETRYING = "retrying"
    STORED = "stored"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    IGNORED = "ignored"
    REJECTED = "rejected"


class DeployStatus(StrEnum):
    """What a stored artifact became at the deployer that waits for it, until there is a deployment."""

    WAITING = "waiting"
    """Another deployment runs; this version follows it."""
    DEPLOYING = "deploying"
    REFUSED = "refused"
    """It could not have worked; the reason says what to fix."""
    SKIPPED = "skipped"
    """A newer version took its place."""
    FAILED = "failed"
    """No deployment came about."""


# A message for a failed delivery exists only because someone asked for a replay, so a worker may take it up again.
FETCHABLE = frozenset(
    {
        DeliveryStatus.RECEIVED,
        DeliveryStatus.QUEUED,
        DeliveryStatus.FETCHING,
        DeliveryStatus.RETRYING,
        DeliveryStatus.FAILED,
    }
)
FINAL = frozenset(DeliveryStatus) - FETCHABLE | {DeliveryStatus.FAILED}

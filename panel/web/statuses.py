"""The one vocabulary of statuses: what each state of each thing is called, and its tone, on every page.

Tones: `ok` green, `run` blue and pulsing, `warn` amber, `bad` red, `mute` grey.
"""

from dataclasses import dataclass
from functools import singledispatch
from typing import Literal

from deployers.models import AwsAccount, Deployment, DeploymentStep, Operation, Stack
from deployers.services import accounts
from deployers.states import DeploymentStatus, OperationStatus, StackState
from integrations.models import (
    Delivery,
    DeliveryStatus,
    DeployStatus,
    Integration,
    Provider,
    RemoteState,
    SSHKey,
    SSHKeyState,
    WebhookState,
)
from panel.integration_state import IntegrationState, state_of

Tone = Literal["ok", "run", "warn", "bad", "mute"]


@dataclass(frozen=True, slots=True)
class Status:
    """A state as people see it: one word or two, and a tone."""

    label: str
    tone: Tone


DELIVERY: dict[DeliveryStatus, Status] = {
    DeliveryStatus.RECEIVED: Status("Received", "run"),
    DeliveryStatus.QUEUED: Status("Queued", "mute"),
    DeliveryStatus.FETCHING: Status("Fetching", "run"),
    DeliveryStatus.RETRYING: Status("Retrying", "warn"),
    DeliveryStatus.STORED: Status("Stored", "ok"),
    DeliveryStatus.SUPERSEDED: Status("Superseded", "mute"),
    DeliveryStatus.IGNORED: Status("Ignored", "mute"),
    DeliveryStatus.REJECTED: Status("Rejected", "warn"),
    DeliveryStatus.FAILED: Status("Failed", "bad"),
}
DEPLOY: dict[DeployStatus, Status] = {
    DeployStatus.WAITING: Status("Waiting to deploy", "run"),
    DeployStatus.DEPLOYING: Status("Deployment started", "ok"),
    DeployStatus.REFUSED: Status("Not deployed", "bad"),
    DeployStatus.SKIPPED: Status("Not deployed", "mute"),
    DeployStatus.FAILED: Status("Not deployed", "bad"),
}
DEPLOYMENT: dict[DeploymentStatus, Status] = {
    DeploymentStatus.QUEUED: Status("Queued", "mute"),
    DeploymentStatus.DEPLOYING: Status("Deploying", "run"),
    DeploymentStatus.WAITING: Status("Waiting for approval", "warn"),
    DeploymentStatus.DEPLOYED: Status("Deployed", "ok"),
    DeploymentStatus.FAILED: Status("Failed", "bad"),
    DeploymentStatus.ROLLED_BACK: Status("Rolled back", "warn"),
    DeploymentStatus.CANCELLED: Status("Cancelled", "mute"),
}
STEP: dict[DeploymentStatus, Status] = DEPLOYMENT | {
    DeploymentStatus.QUEUED: Status("To come", "mute"),
    DeploymentStatus.DEPLOYING: Status("Running", "run"),
    DeploymentStatus.DEPLOYED: Status("Done", "ok"),
    DeploymentStatus.CANCELLED: Status("Skipped", "mute"),
}
OPERATION: dict[OperationStatus, Status] = {
    OperationStatus.QUEUED: Status("Queued", "mute"),
    OperationStatus.RUNNING: Status("Running", "run"),
    OperationStatus.WAITING: Status("Waiting for a person", "warn"),
    OperationStatus.SUCCEEDED: Status("Succeeded", "ok"),
    OperationStatus.FAILED: Status("Failed", "bad"),
    OperationStatus.CANCELLED: Status("Cancelled", "mute"),
}
STACK: dict[StackState, Status] = {
    StackState.ABSENT: Status("Not created", "mute"),
    StackState.REVIEW: Status("Preparing", "run"),
    StackState.CREATING: Status("Creating", "run"),
    StackState.UPDATING: Status("Updating", "run"),
    StackState.READY: Status("Ready", "ok"),
    StackState.ROLLED_BACK: Status("Rolled back", "warn"),
    StackState.FAILED: Status("Failed", "bad"),
    StackState.DELETING: Status("Deleting", "run"),
    StackState.DELETED: Status("Deleted", "mute"),
}
WEBHOOK: dict[WebhookState, Status] = {
    WebhookState.ABSENT: Status("Not installed", "mute"),
    WebhookState.MANUAL: Status("Add by hand", "warn"),
    WebhookState.INSTALLED: Status("Installed", "ok"),
    WebhookState.VERIFIED: Status("Receiving", "ok"),
}
REMOTE_KEY: dict[RemoteState, Status] = {
    RemoteState.UNKNOWN: Status("Not installed", "mute"),
    RemoteState.PRESENT: Status("Installed", "ok"),
    RemoteState.MISSING: Status("Missing", "bad"),
    RemoteState.MANUAL: Status("Add by hand", "warn"),
}
SSH_KEY: dict[str, Status] = {
    SSHKeyState.PENDING: Status("Pending", "run"),
    SSHKeyState.CURRENT: Status("Current", "ok"),
    SSHKeyState.RETIRED: Status("Retired", "mute"),
    SSHKeyState.REVOKED: Status("Revoked", "bad"),
    "late": Status("Overdue", "warn"),
}
INTEGRATION: dict[IntegrationState, Status] = {
    IntegrationState.NOT_PROVISIONED: Status("Not provisioned", "mute"),
    IntegrationState.PROVISIONING: Status("Setting up", "run"),
    IntegrationState.UPDATING: Status("Updating", "run"),
    IntegrationState.DELETING: Status("Deleting", "run"),
    IntegrationState.ROTATING: Status("Rotating", "run"),
    IntegrationState.WAITING: Status("Waiting for a person", "warn"),
    IntegrationState.READY: Status("Ready", "ok"),
    IntegrationState.ROLLED_BACK: Status("Rolled back", "warn"),
    IntegrationState.FAILED: Status("Failed", "bad"),
}
# What a reviewed change does to its resource, the gravest first.
CHANGE: dict[str, Status] = {
    "replaced": Status("Replaced", "bad"),
    "removed": Status("Removed", "bad"),
    "perhaps_replaced": Status("Possible replacement", "warn"),
    "changed": Status("Changed", "mute"),
    "perhaps_changed": Status("Possible change", "mute"),
    "added": Status("Added", "ok"),
}
FAILED = Status("Failed", "bad")
REMOVED = Status("Removed", "mute")
KEYS_CHANGED = Status("Changed", "bad")
KEYS_TO_CONFIRM = Status("To be confirmed", "warn")
KEYS_PINNED = Status("Pinned", "ok")
NO_KEYS = Status("None", "mute")

NOT_CHECKED = Status("Not checked", "mute")
NOT_REACHED = Status("Not reached", "warn")
CONNECTED = Status("Connected", "ok")
LIMITED = Status("Limited access", "warn")


def of_host_keys(*, pinned: bool, scanned: bool) -> Status:
    """The SSH host keys of a provider: whether some are pinned, and whether some wait to be confirmed."""
    if scanned:
        return KEYS_CHANGED if pinned else KEYS_TO_CONFIRM
    return KEYS_PINNED if pinned else NO_KEYS


@singledispatch
def status_of(thing: object) -> Status:
    """The status of any row that has one. An Integration must come from `panel.web.queries`."""
    raise TypeError(f"{type(thing).__name__} has no status")


@status_of.register
def _(thing: Status) -> Status:
    return thing


@status_of.register
def _(thing: Delivery) -> Status:
    return DELIVERY[DeliveryStatus(thing.status)]


@status_of.register
def _(thing: Deployment) -> Status:
    return DEPLOYMENT[DeploymentStatus(thing.status)]


@status_of.register
def _(thing: DeploymentStep) -> Status:
    return STEP[DeploymentStatus(thing.status)]


@status_of.register
def _(thing: Operation) -> Status:
    return OPERATION[OperationStatus(thing.status)]


@status_of.register
def _(thing: Stack) -> Status:
    return STACK[thing.state]


@status_of.register
def _(thing: SSHKey) -> Status:
    if thing.gone and thing.over:
        return REMOVED
    return REMOTE_KEY[RemoteState(thing.remote_state)]


@status_of.register
def _(thing: Integration) -> Status:
    return INTEGRATION[state_of(thing)]


@status_of.register
def _(thing: Provider) -> Status:
    if thing.check_error:
        return FAILED
    if thing.missing_scopes:
        return LIMITED
    return CONNECTED if thing.checked_at else NOT_CHECKED


@status_of.register
def _(thing: AwsAccount) -> Status:
    if thing.proven and thing.check_error:
        return NOT_REACHED
    if thing.proven:
        found = accounts.findings_of(thing)
        limited = found is not None and (found.region_off or any(found.missing.values()))
        return LIMITED if limited else CONNECTED
    return FAILED if thing.check_error else NOT_CHECKED

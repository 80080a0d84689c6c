"""The SSH keys inside a git stack, through its functions: made, promoted and thrown away there, and tried.

The functions are described in lambdas.create_ssh_key.handler and lambdas.git_pull.probe.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from deployers.aws import functions
from deployers.errors import AwsError, KeyRotationFailed
from deployers.services import accounts, outputs
from integrations.models import Integration
from teams.errors import Refused


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a key that the stack holds."""

    public_key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class StackKeys:
    """What the stack holds now."""

    current: PublicKey | None
    pending: PublicKey | None


@dataclass(frozen=True, slots=True)
class Probe:
    """How it went when the stack tried a key. `error` is one of the codes of lambdas.git_pull.probe."""

    ok: bool
    error: str = ""
    message: str = ""


FUNCTIONS = ("CreateSSHKeyFunction", "GitPullFunction")
"""Outputs of the git stack, without which it cannot rotate its key."""


def require_functions(found: Mapping[str, str]) -> None:
    """Raises Refused for the outputs of a stack that is not there, or is of a template that could not rotate yet."""
    if not found:
        raise Refused("There is no stack yet, so there is no SSH key.", remedy="Provision the integration first.")
    if not all(found.get(name) for name in FUNCTIONS):
        raise Refused(
            "The stack was made from an earlier template, which cannot rotate its SSH key.",
            remedy="Update the stack first.",
        )


def describe(integration: Integration) -> StackKeys:
    """The keys that the stack holds. Raises Refused and AwsError."""
    return _act(integration, action="describe")


def make_pending(integration: Integration, *, rotation: UUID) -> StackKeys:
    """Have the stack make the pending key of a rotation, once. Raises Refused and AwsError."""
    return _act(integration, action="make_pending", rotation=str(rotation))


def promote(integration: Integration, *, fingerprint: str) -> StackKeys:
    """Have the stack fetch with its pending key. Raises Refused, KeyRotationFailed if it has none, AwsError."""
    return _act(integration, action="promote", fingerprint=fingerprint)


def forget(integration: Integration, *, fingerprint: str) -> StackKeys:
    """Have the stack throw a key away. Raises Refused and AwsError."""
    return _act(integration, action="forget", fingerprint=fingerprint)


def probe(integration: Integration, *, fingerprint: str) -> Probe:
    """Have the stack try a key at the git host, as `git ls-remote` does. Raises Refused and AwsError."""
    payload = {"action": "probe", "repository": integration.repository.full_name, "fingerprint": fingerprint}
    answer = _invoke(integration, "GitPullFunction", payload)
    return Probe(answer.get("ok") is True, str(answer.get("error", "")), str(answer.get("message", "")))


def _act(integration: Integration, **payload: str) -> StackKeys:
    answer = _invoke(integration, "CreateSSHKeyFunction", payload)
    if answer.get("error") == "no_such_key":
        raise KeyRotationFailed(
            "The stack does not hold the new key any more: it was revoked, or replaced by hand.",
            remedy="Rotate the SSH key again.",
            code="no_such_key",
        )
    if "error" in answer or "current" not in answer:
        raise AwsError(f"The stack's function did not {payload['action']} the SSH key: {answer.get('message', answer)}")
    return StackKeys(_key(answer["current"]), _key(answer.get("pending")))


def _invoke(integration: Integration, function: str, payload: Mapping[str, str]) -> dict[str, Any]:
    found = outputs.of(integration)
    require_functions(found)
    access = accounts.access(integration.aws_account, integration.region)
    return functions.invoke(access, function=found[function], payload=payload)


def _key(told: dict[str, str] | None) -> PublicKey | None:
    return PublicKey(told["PublicKey"], told["Fingerprint"]) if told else None

"""Why a stack failed, in words: the first real failure among its events, not the cancellations that follow it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


class EventLike(Protocol):
    """What is read of an event; a row and a dataclass both will do."""

    @property
    def logical_id(self) -> str: ...
    @property
    def resource_type(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Cause:
    """The resource that failed first, and AWS's reason."""

    logical_id: str
    resource_type: str
    reason: str

    @property
    def message(self) -> str:
        kind = self.resource_type.removeprefix("AWS::").replace("::", " ")
        return f"{self.logical_id} ({kind}) failed: {_tidy(self.reason)}"

    @property
    def remedy(self) -> str:
        return next(
            (words for pattern, words in _REMEDIES if pattern.search(self.reason)),
            "Remove the cause, then press Retry.",
        )


_CANCELLED = re.compile(r"\bcancell?ed\b", re.IGNORECASE)
_STACK = "AWS::CloudFormation::Stack"
_REMEDIES = (
    (
        re.compile(r"Received \d+ FAILURE signal|SUCCESS signal|resource signal", re.IGNORECASE),
        (
            "The instances did not come up. They need a way to the internet: public subnets, or private ones with NAT. "
            "The system log of one in the EC2 console tells more. Then press Retry."
        ),
    ),
    (
        re.compile(r"at least two (subnets|availability zones)|different Availability Zones", re.IGNORECASE),
        "Choose subnets in at least two zones in the settings, then press Retry.",
    ),
    (
        re.compile(
            r"subnet ID .* does not exist|InvalidSubnet|vpc ID .* does not exist|not.* same (VPC|network)",
            re.IGNORECASE,
        ),
        "Choose the VPC and its subnets anew in the settings, then press Retry.",
    ),
    (
        re.compile(r"key ?pair .*(does not exist|not found)|InvalidKeyPair", re.IGNORECASE),
        "Make the key pair in this region, or choose another in the settings, then press Retry.",
    ),
    (
        re.compile(
            r"certificate.*(not found|not valid|must be|does not exist)|CertificateNotFound|UnsupportedCertificate",
            re.IGNORECASE,
        ),
        "Choose an issued certificate of this region in the settings, then press Retry.",
    ),
    (
        re.compile(
            r"instance type.*not supported|Unsupported.*Availability Zone|instance type.*architecture", re.IGNORECASE
        ),
        "Choose a type of instances that these zones have in the settings, then press Retry.",
    ),
    (
        re.compile(r"InsufficientInstanceCapacity|not have sufficient .*capacity", re.IGNORECASE),
        "AWS has no room for this type in these zones now: choose another in the settings, or press Retry later.",
    ),
    (
        re.compile(r"Unable to assume the service linked role", re.IGNORECASE),
        (
            "ECS makes a role of its own with the first cluster of an account, and could not take it yet. Press Retry. "
            "If it happens again: aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com"
        ),
    ),
    (
        re.compile(r"Service Linked Role does not exist", re.IGNORECASE),
        "Run aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com in the account, then press Retry.",
    ),
    (
        re.compile(r"not authorized to perform|AccessDenied|explicit deny", re.IGNORECASE),
        "Let the AWS account's role or user do this, then press Retry.",
    ),
    (
        re.compile(r"limit exceeded|LimitExceeded|quota|maximum number|more vCPU capacity than", re.IGNORECASE),
        "Ask AWS to raise this quota, or remove what is no longer needed, then press Retry.",
    ),
    (
        re.compile(r"already exists", re.IGNORECASE),
        "Remove or rename the thing of that name, then press Retry.",
    ),
    (
        re.compile(r"not stabilize|timed? ?out|did not respond|no response", re.IGNORECASE),
        "AWS took too long; press Retry. If it happens again, look at the function's log.",
    ),
)


def first_cause(events: Iterable[EventLike]) -> Cause | None:
    """The first failure of a resource among events in the order they happened; None if there is none."""
    stack_failure = None
    for event in events:
        if not event.status.endswith("_FAILED") or _CANCELLED.search(event.reason):
            continue
        cause = Cause(event.logical_id, event.resource_type, event.reason)
        if event.resource_type != _STACK:
            return cause
        stack_failure = stack_failure or cause
    return stack_failure


def _tidy(reason: str) -> str:
    """AWS's reason without the request ids and handler codes that only its support can read."""
    # `RequestToken: 3b..., HandlerErrorCode: AlreadyExists` and `(Service: S3, Status Code: 409, Request ID: ...)`
    reason = re.sub(r"(?<!\s)\s*\((?:RequestToken|Service|SDK Attempt Count):?[^()]*\)", "", reason)
    reason = re.sub(r'^Resource handler returned message: "(.*)"$', r"\1", reason.strip(), flags=re.DOTALL)
    return reason.strip() or "AWS gave no reason"

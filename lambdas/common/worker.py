"""A batch of messages from a FIFO queue: each ends as stored, superseded, ignored, failed, or is tried again later.

Only the newest push of a ref is fetched. Messages of one group stay in order: once one of them fails, those behind it
are handed back too. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lambdas.common import log
from lambdas.common.artifacts import Artifact, StoredArtifact
from lambdas.common.deliveries import DeliveryTable, Head, Item, timestamp
from lambdas.common.errors import FetchError, NotWanted, PermanentFailure, TemporaryFailure
from lambdas.common.keys import artifact_key
from lambdas.common.queue import FetchRequest
from lambdas.common.refs import Ref
from lambdas.common.statuses import FETCHABLE, DeliveryStatus

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BACKOFF = (5, 30, 120, 300, 600)
"""Seconds until the next attempt, after the first, second ... one."""
MAX_BACKOFF = 3600
RESERVE = 5
"""Seconds before the function is ended in which failures are written down."""
GRACE = 10
"""Seconds after that, before another one takes the message up."""


class Context(Protocol):
    """What a function knows about its own invocation."""

    @property
    def function_name(self) -> str:
        """The name that the function has in its account and region."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends it."""


@dataclass(frozen=True, slots=True)
class Job:
    """One commit to fetch and store."""

    request: FetchRequest
    artifact: Artifact
    deadline: float
    """On time.monotonic(): stop before it, so that the failure can still be written down."""
    check_paths: bool = False
    """Whether the receiver could not tell which files the push changes, and so left it to the worker to look."""

    def check_time(self) -> None:
        """Raise TemporaryFailure once the deadline has passed."""
        if time.monotonic() > self.deadline:
            raise TemporaryFailure("It took longer than the function may run; a larger timeout or memory may help")


Fetch = Callable[[Job], StoredArtifact]
"""Fetches a job's commit and stores it. Raises FetchError, NotWanted, or botocore's errors."""


@dataclass(frozen=True)
class Worker:
    """What a container keeps between batches."""

    table: DeliveryTable
    sqs: "SQSClient"
    queue_url: str
    output_bucket: str
    max_receive_count: int
    fetch: Fetch


@dataclass(frozen=True, slots=True)
class _Message:
    id: str
    receipt: str
    group: str
    receive_count: int
    body: str

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "_Message":
        attributes = record["attributes"]
        return cls(
            id=record["messageId"],
            receipt=record["receiptHandle"],
            group=attributes.get("MessageGroupId", ""),
            receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
            body=record["body"],
        )


def run(worker: Worker, event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Handle a batch; returns the messages to hand back (ReportBatchItemFailures)."""
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE
    messages = [_Message.from_record(record) for record in event["Records"]]
    newest = _newest_of_each_group(messages)
    blocked: set[str] = set()
    handed_back: list[str] = []
    for message in messages:
        if message.group in blocked:
            _make_visible(worker, message, 0)
            done = False
        else:
            done = _handle(worker, message, newest.get(message.group, ""), deadline)
        if not done:
            blocked.add(message.group)
            handed_back.append(message.id)
    return {"batchItemFailures": [{"itemIdentifier": each} for each in handed_back]}


def _newest_of_each_group(messages: list[_Message]) -> dict[str, str]:
    newest: dict[str, str] = {}
    for message in messages:
        try:
            received_at = FetchRequest.from_json(message.body).received_at
        except ValueError:
            continue
        newest[message.group] = max(newest.get(message.group, ""), received_at)
    return newest


def _handle(worker: Worker, message: _Message, newest_in_batch: str, deadline: float) -> bool:
    """Whether the message is done with."""
    try:
        request = FetchRequest.from_json(message.body)
    except ValueError as error:
        log.exception("message_unreadable", error, message=message.id)
        return False
    item = worker.table.get(request.delivery)
    if item is None:
        log.info("delivery_unknown", delivery=request.delivery)
        return False
    head = worker.table.head(request.repository, request.ref)
    if max(head.received_at, newest_in_batch) > request.received_at:
        reason = "A newer push to the same ref took its place"
        worker.table.move(request.delivery, DeliveryStatus.SUPERSEDED, when=FETCHABLE, reason=reason)
        return True
    reason = f"Attempt {message.receive_count} of {worker.max_receive_count}"
    if not worker.table.move(request.delivery, DeliveryStatus.FETCHING, when=FETCHABLE, reason=reason):
        return True
    return _attempt(worker, message, request, item, head, deadline=deadline)


def _attempt(
    worker: Worker, message: _Message, request: FetchRequest, item: Item, head: Head, *, deadline: float
) -> bool:
    """Fetch, and write down how it went. Nothing but the process's death leaves a delivery without a word."""
    # Should this process die, the message comes back once it cannot be running any more, not a whole timeout later.
    _make_visible(worker, message, max(1, math.ceil(deadline - time.monotonic() + RESERVE + GRACE)))
    mine = Head(request.delivery, request.received_at, commit=request.commit, before=str(item.get("before", "")))
    worker.table.advance_head(request.repository, request.ref, mine)
    started, at = time.monotonic(), timestamp()
    try:
        artifact = _artifact(worker, request, item, head)
        stored = worker.fetch(Job(request, artifact, deadline, check_paths=item.get("check_paths") is True))
        worker.table.remember_artifact(
            request.repository, request.ref, version_id=stored.version_id, content_digest=stored.content_digest
        )
    except NotWanted as decision:
        attempt = {"at": at, "duration_ms": _since(started), "error": ""}
        _ignored(worker, request, str(decision), attempt)
        return True
    except Exception as error:  # noqa: BLE001 - written down as this delivery's failure, and tried again
        failure = _as_failure(error)
        attempt = {"at": at, "duration_ms": _since(started), "error": str(failure)}
        return _failed(worker, message, request, failure, attempt)
    attempt = {"at": at, "duration_ms": _since(started), "error": ""}
    _stored(worker, request, stored, attempt)
    return True


def _artifact(worker: Worker, request: FetchRequest, item: Item, head: Head) -> Artifact:
    return Artifact(
        bucket=worker.output_bucket,
        key=artifact_key(request.repository, Ref.parse(request.ref)),
        commit=request.commit,
        ref=request.ref,
        author=str(item.get("author", "")),
        message=str(item.get("message", "")),
        delivery_id=request.delivery,
        newest_version_id=head.artifact_version_id,
        newest_digest=head.content_digest,
    )


def _as_failure(error: Exception) -> FetchError:
    """The failure in words for people; what is not ours is logged with its traceback and tried again."""
    if isinstance(error, FetchError):
        return error
    log.exception("fetch_error", error)
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        code, operation = response["Error"].get("Code", "an error"), getattr(error, "operation_name", "a request")
        return TemporaryFailure(f"AWS answered {code} to {operation}")
    return TemporaryFailure(f"Unexpected {type(error).__name__}; the function's log has the details")


def _stored(worker: Worker, request: FetchRequest, stored: StoredArtifact, attempt: Mapping[str, object]) -> None:
    worker.table.move(
        request.delivery,
        DeliveryStatus.STORED,
        when={DeliveryStatus.FETCHING},
        attempt=attempt,
        reason=stored.reason,
        artifact_bucket=stored.bucket,
        artifact_key=stored.key,
        artifact_version_id=stored.version_id,
        artifact_size=stored.size,
        content_digest=stored.content_digest,
        stored_at=timestamp(),
    )
    log.info("delivery_stored", delivery=request.delivery, key=stored.key, version=stored.version_id, **attempt)


def _ignored(worker: Worker, request: FetchRequest, reason: str, attempt: Mapping[str, object]) -> None:
    worker.table.move(
        request.delivery, DeliveryStatus.IGNORED, when={DeliveryStatus.FETCHING}, attempt=attempt, reason=reason
    )
    log.info("delivery_ignored", delivery=request.delivery, reason=reason)


def _failed(
    worker: Worker,
    message: _Message,
    request: FetchRequest,
    failure: FetchError,
    attempt: Mapping[str, object],
) -> bool:
    """Write a failed attempt down. True if the message is done with: only a permanent failure is.

    The last of the attempts hands its message back too, so that it comes to the dead-letter queue.
    """
    last = message.receive_count >= worker.max_receive_count
    if isinstance(failure, TemporaryFailure) and not last:
        delay = min(failure.retry_after or BACKOFF[min(message.receive_count, len(BACKOFF)) - 1], MAX_BACKOFF)
        reason = f"{failure}. Trying again in {delay} s"
        status = DeliveryStatus.RETRYING
    else:
        delay, status = 0, DeliveryStatus.FAILED
        reason = str(failure) if not last else f"{failure} (attempt {message.receive_count}, the last)"
    worker.table.move(request.delivery, status, when={DeliveryStatus.FETCHING}, attempt=attempt, reason=reason)
    log.info(f"delivery_{status}", delivery=request.delivery, reason=reason)
    if isinstance(failure, PermanentFailure):
        return True
    _make_visible(worker, message, delay)
    return False


def _make_visible(worker: Worker, message: _Message, delay: int) -> None:
    worker.sqs.change_message_visibility(
        QueueUrl=worker.queue_url, ReceiptHandle=message.receipt, VisibilityTimeout=delay
    )


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)

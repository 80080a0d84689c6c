"""A batch of messages: each ends as stored, superseded, ignored, failed, or is tried again later.

Only the newest push of a ref is stored. Each message is a group of its own on its FIFO queue, so that no push waits for
an older one: neither for its fetch, nor for the pause between two attempts, nor for a process that died with it. What
keeps them apart is the head of their ref, which is asked before a fetch and again before its artifact is stored.

Whatever fails, the message is handed back within seconds, and the delivery says why: also if the table cannot be read,
or if the function does not even start (see `lambdas.common.starting`).
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from lambdas.common import log
from lambdas.common.artifacts import Artifact, StoredArtifact
from lambdas.common.deliveries import DeliveryTable, Head, Item, timestamp
from lambdas.common.errors import FetchError, NotWanted, Overtaken, PermanentFailure, TemporaryFailure
from lambdas.common.keys import artifact_key
from lambdas.common.leash import Leash, holding
from lambdas.common.queue import FetchRequest
from lambdas.common.refs import Ref
from lambdas.common.statuses import FETCHABLE, DeliveryStatus

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BACKOFF = (5, 30, 120, 300, 600)
"""Seconds until the next attempt, after the first, second ... one."""
MAX_BACKOFF = 3600
LAG = timedelta(minutes=1)
"""How long after a push the provider's API may still tell of the commit before it."""
LAG_SECONDS = 3
RESERVE = 5
"""Seconds before the function is ended in which failures are written down."""


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

    require_newest: Callable[[], object] = lambda: None
    """Asked once more before anything is stored. Raises Overtaken if the ref has a later push by now."""

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
    ref_commit: Callable[[FetchRequest], str]
    """Asks the provider which commit a request's ref points at now; empty: there is no such ref. Raises FetchError."""

    def hide(self, receipt: str, seconds: int) -> None:
        """Have a message come back so many seconds from now. Raises botocore's errors."""
        self.sqs.change_message_visibility(QueueUrl=self.queue_url, ReceiptHandle=receipt, VisibilityTimeout=seconds)


@dataclass(frozen=True, slots=True)
class _Message:
    id: str
    receipt: str
    receive_count: int
    body: str

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "_Message":
        attributes = record["attributes"]
        return cls(
            id=record["messageId"],
            receipt=record["receiptHandle"],
            receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
            body=record["body"],
        )


def run(worker: Worker, event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Handle a batch; returns the messages to hand back (ReportBatchItemFailures)."""
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE
    messages = [_Message.from_record(record) for record in event["Records"]]
    handed_back: list[str] = []
    with holding(worker.hide, [message.receipt for message in messages]) as leash:
        for message in messages:
            delay = _settle(worker, message, deadline)
            leash.release(message.receipt, delay)
            if delay is not None:
                handed_back.append(message.id)
    return {"batchItemFailures": [{"itemIdentifier": each} for each in handed_back]}


def hand_back(worker: Worker, event: Mapping[str, Any], failure: FetchError) -> dict[str, Any]:
    """Hand a batch back that nothing could be done with, and tell its deliveries why."""
    handed_back = []
    for message in map(_Message.from_record, event["Records"]):
        delay = _failed(worker, message, failure, {"at": timestamp(), "duration_ms": 0, "error": str(failure)})
        if delay is not None:
            Leash(worker.hide, ()).release(message.receipt, delay)
            handed_back.append(message.id)
    return {"batchItemFailures": [{"itemIdentifier": each} for each in handed_back]}


def _settle(worker: Worker, message: _Message, deadline: float) -> int | None:
    """None if the message is done with, or else the seconds until it is to come back."""
    started, at = time.monotonic(), timestamp()

    def attempt(error: str = "") -> dict[str, object]:
        return {"at": at, "duration_ms": round((time.monotonic() - started) * 1000), "error": error}

    try:
        request = FetchRequest.from_json(message.body)
        item = worker.table.get(request.delivery)
        if item is None:
            log.info("delivery_unknown", delivery=request.delivery)
            return _delay(message)
        stored = _fetch(worker, message, request, item, deadline)
        if stored is not None:
            _stored(worker, request, stored, attempt())
    except Overtaken as decision:
        _ended(worker, request, DeliveryStatus.SUPERSEDED, str(decision))
    except NotWanted as decision:
        _ended(worker, request, DeliveryStatus.IGNORED, str(decision), attempt())
    except Exception as error:  # noqa: BLE001 - written down as this delivery's failure, and tried again
        failure = _as_failure(error)
        return _failed(worker, message, failure, attempt(str(failure)))
    return None


def _fetch(
    worker: Worker, message: _Message, request: FetchRequest, item: Item, deadline: float
) -> StoredArtifact | None:
    """The artifact, or None if the delivery has ended already. Raises Overtaken, NotWanted, and whatever fails."""
    require_newest = partial(_require_newest, worker.table, request)
    head = require_newest()
    reason = f"Attempt {message.receive_count} of {worker.max_receive_count}"
    if not worker.table.move(request.delivery, DeliveryStatus.FETCHING, when=FETCHABLE, reason=reason):
        return None
    if item.get("doubted") is True:
        _require_standing(worker, message, request)
    mine = Head(request.delivery, request.received_at, commit=request.commit, before=str(item.get("before", "")))
    worker.table.advance_head(request.repository, request.ref, mine)
    check_paths = item.get("check_paths") is True
    artifact = _artifact(worker, request, item, head)
    stored = worker.fetch(Job(request, artifact, deadline, check_paths=check_paths, require_newest=require_newest))
    worker.table.remember_artifact(
        request.repository, request.ref, version_id=stored.version_id, content_digest=stored.content_digest
    )
    return stored


def _require_newest(table: DeliveryTable, request: FetchRequest) -> Head:
    """The head of the request's ref. Raises Overtaken if it is of a later push."""
    head = table.head(request.repository, request.ref)
    if head.received_at > request.received_at:
        raise Overtaken("A newer push to the same ref took its place")
    return head


def _require_standing(worker: Worker, message: _Message, request: FetchRequest) -> None:
    """Raise Overtaken if the provider says that the ref does not stand at this commit.

    Raises TemporaryFailure too: a provider may tell of the past in the first moments after a push.
    """
    now, ref = worker.ref_commit(request), Ref.parse(request.ref)
    if now == request.commit:
        return
    stands = f"points at {now[:12]}" if now else "is not there"
    age = datetime.now(UTC) - datetime.fromisoformat(request.received_at)
    if message.receive_count == 1 and age < LAG:
        raise TemporaryFailure(f"The provider says that the {ref} {stands}", retry_after=LAG_SECONDS)
    raise Overtaken(f"The provider says that the {ref} {stands}, so this commit is not stored over a newer one")


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


def _ended(
    worker: Worker,
    request: FetchRequest,
    status: DeliveryStatus,
    reason: str,
    attempt: Mapping[str, object] | None = None,
) -> None:
    worker.table.move(request.delivery, status, when=FETCHABLE, attempt=attempt, reason=reason)
    log.info(f"delivery_{status}", delivery=request.delivery, reason=reason)


def _failed(worker: Worker, message: _Message, failure: FetchError, attempt: Mapping[str, object]) -> int | None:
    """Write a failed attempt down. None if the message is done with: only a permanent failure is.

    Else the seconds until the next attempt. The last of the attempts hands its message back too, so that it comes to
    the dead-letter queue.
    """
    last = message.receive_count >= worker.max_receive_count
    if isinstance(failure, TemporaryFailure) and not last:
        delay = _delay(message, failure.retry_after)
        status, reason = DeliveryStatus.RETRYING, f"{failure}. Trying again in {delay} s"
    else:
        delay, status = 0, DeliveryStatus.FAILED
        reason = str(failure) if not last else f"{failure} (attempt {message.receive_count}, the last)"
    try:
        delivery = FetchRequest.from_json(message.body).delivery
        worker.table.move(delivery, status, when=FETCHABLE, attempt=attempt, reason=reason)
    except Exception as error:  # noqa: BLE001 - the message is handed back all the same, and not lost
        log.exception("failure_not_written", error, message=message.id, reason=reason)
        return _delay(message)
    log.info(f"delivery_{status}", delivery=delivery, reason=reason)
    return None if isinstance(failure, PermanentFailure) else delay


def _delay(message: _Message, asked: int | None = None) -> int:
    """Seconds until the next attempt."""
    return min(asked or BACKOFF[min(message.receive_count, len(BACKOFF)) - 1], MAX_BACKOFF)

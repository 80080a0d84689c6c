"""A worker on a test's bench."""

from dataclasses import dataclass, field
from typing import Any

from lambdas.common import queue
from lambdas.common.artifacts import StoredArtifact
from lambdas.common.statuses import DeliveryStatus
from lambdas.common.worker import Job, Worker, run
from tests.lambdas.conftest import BUCKET, Stack
from tests.lambdas.queue_events import Context, record

MAX = 5


@dataclass
class Bench:
    """A worker with a queue and a fetch that does what the test says."""

    stack: Stack
    fetched: list[str] = field(default_factory=list)
    outcomes: dict[str, Exception] = field(default_factory=dict)
    visibility: list[tuple[str, int]] = field(default_factory=list)
    stands_at: str | Exception = "c" * 40
    asked: list[str] = field(default_factory=list)
    """The refs that the provider was asked for."""

    def ref_commit(self, request: queue.FetchRequest) -> str:
        self.asked.append(request.ref)
        if isinstance(self.stands_at, Exception):
            raise self.stands_at
        return self.stands_at

    def fetch(self, job: Job) -> StoredArtifact:
        self.fetched.append(job.request.delivery)
        if error := self.outcomes.get(job.request.delivery):
            raise error
        return StoredArtifact(
            job.artifact.bucket, job.artifact.key, f"v-{job.request.delivery}", 10, "digest", "Stored"
        )

    def deliver(
        self, delivery: str, *, received_at: str = "", ref: str = "refs/heads/main", **item: Any
    ) -> dict[str, Any]:
        """Write a delivery and return the record of its message."""
        received_at = received_at or f"2026-11-23T10:00:0{len(self.stack.all_items())}.000000Z"
        self.stack.table.create(
            {"id": delivery, "status": DeliveryStatus.QUEUED, "received_at": received_at, "before": "", **item}
        )
        request = queue.FetchRequest(delivery, "acme/site", ref, "c" * 40, received_at, "zip_download")
        return record(request)

    def run(self, *records: dict[str, Any], attempt: int = 1) -> list[str]:
        """The ids of the deliveries whose messages were handed back."""
        for each in records:
            each["attributes"]["ApproximateReceiveCount"] = str(attempt)
        answer = run(self.worker(), {"Records": list(records)}, Context())
        return [each["itemIdentifier"].removeprefix("message-") for each in answer["batchItemFailures"]]

    def worker(self) -> Worker:
        sqs: Any = self
        return Worker(self.stack.table, sqs, self.stack.queue_url, BUCKET, MAX, self.fetch, self.ref_commit)

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803
        """In the queue's place: moto refuses receipt handles that it did not give out."""
        self.visibility.append((ReceiptHandle.removeprefix("receipt-"), VisibilityTimeout))

    def item(self, delivery: str) -> dict[str, Any]:
        found = self.stack.table.get(delivery)
        assert found
        return found

    def status(self, delivery: str) -> str:
        return str(self.item(delivery)["status"])

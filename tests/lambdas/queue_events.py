"""What SQS hands to a worker, and what Lambda tells it about its time."""

import json
from dataclasses import asdict
from typing import Any

from lambdas.common.queue import FetchRequest


class Context:
    """An invocation with this much time left."""

    def __init__(self, seconds: float = 60, function_name: str = "worker") -> None:
        self.seconds, self.function_name = seconds, function_name

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


def record(request: FetchRequest, *, receipt: str = "", attempt: int = 1) -> dict[str, Any]:
    """One message of a batch."""
    return {
        "messageId": f"message-{request.delivery}",
        "receiptHandle": receipt or f"receipt-{request.delivery}",
        "body": json.dumps(asdict(request)),
        "attributes": {"MessageGroupId": request.delivery, "ApproximateReceiveCount": str(attempt)},
    }

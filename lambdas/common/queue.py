"""The message that asks a worker to fetch one commit. It carries ids, and nothing secret."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

METHODS = ("zip_download", "git_pull")


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """Body of a message on the queue of a method."""

    delivery: str
    repository: str
    ref: str
    commit: str
    received_at: str
    method: str

    @classmethod
    def from_json(cls, body: str) -> "FetchRequest":
        """Read a message. Raises ValueError if it is none of ours."""
        try:
            document = json.loads(body)
            values = {name: document[name] for name in cls.__slots__}
        except (ValueError, KeyError, TypeError):
            raise ValueError("The message is not a request to fetch a commit") from None
        if not all(isinstance(value, str) for value in values.values()):
            raise ValueError("The message has values that are not text")
        return cls(**values)


def send(client: "SQSClient", queue_url: str, request: FetchRequest, *, requeued_at: str = "") -> None:
    """Put a request on its FIFO queue. The same one twice within five minutes is one message.

    Each message is a group of its own: it waits for no other, and least of all for an older one that is being tried
    again. `requeued_at`: when somebody asked for a delivery again; makes it another message, and another group.
    """
    once = hashlib.sha256(f"{request.delivery}{requeued_at or request.received_at}".encode()).hexdigest()
    client.send_message(
        QueueUrl=queue_url,
        MessageBody=json.dumps(asdict(request)),
        MessageGroupId=once,
        MessageDeduplicationId=once,
    )

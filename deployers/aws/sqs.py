"""The queues of git stacks. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client
from lambdas.common import queue

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was received; `receipt` is what deletes it."""

    body: str
    receipt: str


def _client(access: Access) -> "SQSClient":
    return cast("SQSClient", client(access, "sqs"))


def send(access: Access, *, queue_url: str, request: queue.FetchRequest) -> None:
    """Ask for a fetch; the same one twice within five minutes is one."""
    with aws_faults():
        queue.send(_client(access), queue_url, request)


def send_again(access: Access, *, queue_url: str, request: queue.FetchRequest, requeued_at: str) -> None:
    """Ask for a fetch once more; `requeued_at` tells this message from the earlier ones."""
    with aws_faults():
        queue.send(_client(access), queue_url, request, requeued_at=requeued_at)


def waiting(access: Access, *, queue_url: str) -> int:
    """About how many messages are on a queue."""
    with aws_faults():
        answer = _client(access).get_queue_attributes(
            QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"]
        )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def receive(access: Access, *, queue_url: str, hidden_seconds: int) -> list[Message]:
    """Up to ten messages, which nobody else receives for so long; none if there are none within a second."""
    with aws_faults():
        answer = _client(access).receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=hidden_seconds, WaitTimeSeconds=1
        )
    return [Message(each["Body"], each["ReceiptHandle"]) for each in answer.get("Messages", [])]


def delete(access: Access, *, queue_url: str, message: Message) -> None:
    """Take a message off its queue."""
    with aws_faults():
        _client(access).delete_message(QueueUrl=queue_url, ReceiptHandle=message.receipt)

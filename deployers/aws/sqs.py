"""The queues of git stacks. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/"""

from typing import TYPE_CHECKING, cast

from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client
from lambdas.common import queue

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


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

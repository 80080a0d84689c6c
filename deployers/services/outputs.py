"""What an integration's git stack offers: its table, its queues, its webhook addresses."""

from deployers.models import Stack, StackKind
from integrations.models import Integration, Method
from teams.errors import Refused

_QUEUES = {Method.GIT_PULL: "GitPullQueueUrl", Method.ZIP_DOWNLOAD: "ZipDownloadQueueUrl"}


def of(integration: Integration) -> dict[str, str]:
    """The outputs by name; empty before the stack is there."""
    stack = Stack.objects.filter(integration=integration, kind=StackKind.GIT).only("outputs").first()
    return dict(stack.outputs) if stack else {}


def required(found: dict[str, str], name: str) -> str:
    """One of the outputs. Raises Refused when the stack is not there."""
    if name not in found:
        raise Refused("The stack is not there.", remedy="Provision the integration first.")
    return found[name]


def queue(method: str) -> str:
    """Name of the output that is the queue of a method."""
    return _QUEUES[Method(method)]

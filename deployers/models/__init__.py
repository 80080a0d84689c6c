"""AWS accounts, stacks, operations and artifacts: one module a concern."""

from deployers.models.accounts import AccessMethod, AwsAccount, new_external_id
from deployers.models.artifacts import Artifact
from deployers.models.operations import Operation, OperationKind
from deployers.models.stacks import Stack, StackEvent, StackKind

__all__ = [
    "AccessMethod",
    "Artifact",
    "AwsAccount",
    "Operation",
    "OperationKind",
    "Stack",
    "StackEvent",
    "StackKind",
    "new_external_id",
]

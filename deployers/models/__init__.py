"""AWS accounts, stacks, operations, artifacts and deployments: one module a concern."""

from deployers.models.accounts import AccessMethod, AwsAccount, new_external_id
from deployers.models.artifacts import Artifact
from deployers.models.deployments import Deployment, DeploymentStep, Trigger
from deployers.models.operations import ROTATIONS, Operation, OperationKind
from deployers.models.stacks import Stack, StackEvent, StackKind

__all__ = [
    "ROTATIONS",
    "AccessMethod",
    "Artifact",
    "AwsAccount",
    "Deployment",
    "DeploymentStep",
    "Operation",
    "OperationKind",
    "Stack",
    "StackEvent",
    "StackKind",
    "Trigger",
    "new_external_id",
]

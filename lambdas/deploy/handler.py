"""Called by S3 for each new version of the artifact, and by EventBridge when a deployment of the group ended.

Environment: `BUCKET`, `KEY`, `APPLICATION`, `DEPLOYMENT_GROUP`, `DEPLOYMENTS_TABLE`, `DELIVERIES_TABLE` (may be empty).
The role needs

- on the object: s3:GetObject, s3:GetObjectVersion; on its bucket: s3:ListBucket with the key as prefix, which tells an
  artifact that was deleted from one that may not be read
- on the deployments table: dynamodb:GetItem, dynamodb:UpdateItem; on the deliveries table: dynamodb:UpdateItem, and
  kms:Decrypt on its key
- on the group: codedeploy:CreateDeployment, ListDeployments, BatchGetDeployments; on the application:
  GetApplicationRevision, RegisterApplicationRevision; on the deployment configuration: GetDeploymentConfig
"""

from typing import Any, Protocol

from lambdas.common import clients
from lambdas.common.deliveries import DeliveryTable
from lambdas.deploy.codedeploy import Group
from lambdas.deploy.deploy import LEASE_RESERVE, Target, handle
from lambdas.deploy.records import Records
from lambdas.deploy.settings import Settings


class Context(Protocol):
    """What a function knows about its own invocation."""

    aws_request_id: str
    """The same when Lambda repeats an event after an error."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends it."""


def handler(event: dict[str, Any], context: Context) -> None:
    """Raises where the event is to be repeated; Lambda does so twice, after one and two minutes."""
    handle(_target(Settings.from_environment(), context), event)


def _target(settings: Settings, context: Context) -> Target:
    dynamodb = clients.dynamodb()
    return Target(
        settings=settings,
        s3=clients.s3(),
        group=Group(clients.codedeploy(), settings.application, settings.deployment_group),
        records=Records(dynamodb, settings.deployments_table, target=settings.target, owner=context.aws_request_id),
        deliveries=DeliveryTable(dynamodb, settings.deliveries_table) if settings.deliveries_table else None,
        lease=context.get_remaining_time_in_millis() / 1000 + LEASE_RESERVE,
    )

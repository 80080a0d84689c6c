"""A team with one of everything, and the address of every page about it."""

from dataclasses import dataclass
from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from deployers.models import Artifact, AwsAccount, Deployment, Operation, Stack
from deployers.states import OperationStatus
from integrations.models import Delivery, Integration, Method, Provider, Repository, SSHKey
from teams.models import Team
from tests import factories

OUTPUTS = {
    "OutputBucketName": "sluice-shop-output",
    "GitPullWebHookApi": "https://abc123.execute-api.us-east-1.amazonaws.com/gitpull",
    "ZipDownloadWebHookApi": "https://abc123.execute-api.us-east-1.amazonaws.com/zipdl",
}


@dataclass(frozen=True)
class Scene:
    provider: Provider
    repository: Repository
    account: AwsAccount
    integration: Integration
    stack: Stack
    operation: Operation
    delivery: Delivery
    artifact: Artifact
    deployment: Deployment
    key: SSHKey

    def about(self) -> dict[str, str]:
        """URL name to address of each page that shows one object, or asks for something about it."""
        objects = {
            "provider": (self.provider, ("detail", "edit", "delete")),
            "repository": (self.repository, ("detail", "delete")),
            "account": (self.account, ("detail", "edit", "delete")),
            "integration": (
                self.integration,
                ("detail", "deployments", "deliveries", "artifacts", "dead-letters", "edit", "delete"),
            ),
            "artifact": (self.artifact, ("redeploy",)),
            "ssh-key": (self.key, ("revoke",)),
            "deployment": (self.deployment, ("detail",)),
            "stack": (self.stack, ("detail", "events")),
            "operation": (self.operation, ("detail",)),
            "delivery": (self.delivery, ("detail",)),
        }
        return {
            f"{noun}-{what}": reverse(f"{noun}-{what}", args=[row.pk])
            for noun, (row, whats) in objects.items()
            for what in whats
        }

    def actions(self) -> dict[str, str]:
        """URL name to address of each action that a POST starts without a form of its own."""
        return {
            "provider-scan": reverse("provider-scan", args=[self.provider.pk]),
            "provider-confirm": reverse("provider-confirm", args=[self.provider.pk]),
            "provider-check": reverse("provider-check", args=[self.provider.pk]),
            "account-check": reverse("account-check", args=[self.account.pk]),
            "integration-provision": reverse("integration-provision", args=[self.integration.pk]),
            "integration-webhook": reverse("integration-webhook", args=[self.integration.pk]),
            "integration-catch-up": reverse("integration-catch-up", args=[self.integration.pk]),
            "integration-redrive": reverse("integration-redrive", args=[self.integration.pk]),
            "integration-rotate-secret": reverse("integration-rotate-secret", args=[self.integration.pk]),
            "integration-rotate-key": reverse("integration-rotate-key", args=[self.integration.pk]),
            "ssh-key-check": reverse("ssh-key-check", args=[self.key.pk]),
            "ssh-key-repair": reverse("ssh-key-repair", args=[self.key.pk]),
            "delivery-ask": reverse("delivery-ask", args=[self.delivery.pk]),
            "delivery-redeliver": reverse("delivery-redeliver", args=[self.delivery.pk]),
            "operation-retry": reverse("operation-retry", args=[self.operation.pk]),
            "operation-approve": reverse("operation-approve", args=[self.operation.pk]),
            "integration-roll-back": reverse("integration-roll-back", args=[self.integration.pk]),
            "stack-update-image": reverse("stack-update-image", args=[self.stack.pk]),
            "deployment-stop": reverse("deployment-stop", args=[self.deployment.pk]),
            "operation-cancel": reverse("operation-cancel", args=[self.operation.pk]),
        }


LISTS = (
    "overview",
    "provider-list",
    "repository-list",
    "account-list",
    "integration-list",
    "delivery-list",
    "deployment-list",
    "stack-list",
    "operation-list",
    "token-list",
    "member-list",
    "ssh-key-list",
    "audit-list",
    "search",
)


FOR_ADMINS = {"audit-list"}


def make_scene(team: Team, *, method: Method = Method.GIT_PULL, name: str = "shop") -> Scene:
    """A provisioned integration with a delivery and its artifact."""
    now = timezone.now()
    provider = factories.make_provider(team=team, name=f"{name}-github", login="release-bot", checked_at=now)
    repository = factories.make_repository(provider=provider, full_name=f"acme/{name}")
    account = factories.make_account(team=team, name=f"{name}-account")
    integration = factories.make_integration(
        repository=repository, aws_account=account, name=name, method=method, refs=["main", "tags:v*"]
    )
    stack = factories.make_stack(integration=integration, outputs=OUTPUTS, resources_done=46, resources_total=46)
    factories.make_stack_event(stack=stack)
    key = factories.make_ssh_key(integration=integration)
    operation = factories.make_operation(
        stack=stack,
        status=OperationStatus.SUCCEEDED,
        started_at=now - timedelta(seconds=90),
        finished_at=now - timedelta(seconds=30),
    )
    delivery = factories.make_delivery(integration=integration)
    artifact = factories.make_artifact(delivery=delivery)
    deployment = factories.make_deployment(artifact=artifact)
    return Scene(provider, repository, account, integration, stack, operation, delivery, artifact, deployment, key)

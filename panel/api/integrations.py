"""`/integrations/`: repositories that are mirrored into AWS, and deployed from there."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from deployers.nudge import on_commit_freshen, on_commit_nudge, on_commit_sync
from deployers.services import catch_up, dead_letters, integration_settings, key_rotation, secret_rotation, stacks
from deployers.services import deployments as deployment_services
from integrations.models import Integration, SSHKey, SSHKeyState
from integrations.services import integrations, obstacles, ssh_keys, webhooks
from panel.api.artifacts import ArtifactSerializer
from panel.api.base import Noun
from panel.api.deliveries import DeliveriesOfIntegration, DeliverySerializer, lines, matching
from panel.api.deployments import DeploymentFilters, DeploymentSerializer
from panel.api.integration_shapes import (
    DeadLettersSerializer,
    DeletionQuery,
    FoundSerializer,
    IntegrationCreateSerializer,
    IntegrationFilters,
    IntegrationSerializer,
    IntegrationUpdateSerializer,
    ManualStepsSerializer,
    ProvisionQuery,
    current_key,
    manual_step,
    webhook_urls_of,
)
from panel.api.operations import OperationSerializer
from panel.api.preconditions import IF_MATCH, expected_version
from panel.api.shapes import Filters, read_body, read_query
from panel.integration_state import with_newest_operation
from teams import policy
from teams.policy import Act


@extend_schema_view(list=extend_schema(parameters=[IntegrationFilters]))
class IntegrationViewSet(Noun[Integration]):
    queryset = Integration.objects.all()
    serializer_class = IntegrationSerializer
    filters = IntegrationFilters

    def get_queryset(self) -> QuerySet[Integration]:
        keys = Prefetch("ssh_keys", SSHKey.objects.filter(state=SSHKeyState.CURRENT))
        return with_newest_operation(super().get_queryset()).prefetch_related("stacks", keys)

    def _again(self, integration: Integration) -> Integration:
        """The row as lists show it, after a service has changed it."""
        return self.get_queryset().get(pk=integration.pk)

    @extend_schema(request=IntegrationCreateSerializer, responses={201: IntegrationSerializer})
    def create(self, request: Request) -> Response:
        """Add an integration; nothing is made at AWS until it is provisioned."""
        policy.require(Act.EDIT_INTEGRATION, user=self.actor, team=self.team)
        fields = read_body(IntegrationCreateSerializer, request)
        integration = integration_settings.create(team=self.team, actor=self.actor, **fields)
        return self.answer(self._again(integration), status.HTTP_201_CREATED)

    def answer(self, obj: Integration, code: int = status.HTTP_200_OK) -> Response:
        """One integration; its ETag names its settings, not how it stands, so that a change can ask for them."""
        response = super().answer(obj, code)
        response["ETag"] = f'"{integrations.version(obj)}"'
        return response

    @extend_schema(request=IntegrationUpdateSerializer, parameters=[IF_MATCH])
    def partial_update(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Change an integration; update its stack to bring the change to AWS."""
        integration = self.get_object()
        policy.require(Act.EDIT_INTEGRATION, user=self.actor, team=self.team, integration=integration.pk)
        fields = read_body(IntegrationUpdateSerializer, request, partial=True)
        expected = expected_version(request, present=integrations.version(integration))
        changed = integration_settings.update(integration=integration, actor=self.actor, expected=expected, **fields)
        return self.answer(self._again(changed))

    @extend_schema(parameters=[DeletionQuery], responses={202: OperationSerializer})
    def destroy(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Start the deletion of webhook, deploy key, stack and, if asked, the zips; the integration goes last."""
        query = read_query(DeletionQuery, request)
        operation = stacks.delete(integration=self.get_object(), actor=self.actor, bucket=query["bucket"])
        on_commit_nudge(operation.pk)
        return self._started(operation)

    @extend_schema(request=None, parameters=[ProvisionQuery], responses={202: OperationSerializer})
    @action(detail=True, methods=["post"])
    def provision(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Create or update its stacks; install the webhook and the deploy key."""
        query = read_query(ProvisionQuery, request)
        operation = stacks.provision(integration=self.get_object(), actor=self.actor, review=query["review"])
        on_commit_nudge(operation.pk)
        return self._started(operation)

    @extend_schema(request=None, responses={202: OperationSerializer})
    @action(detail=True, methods=["post"], url_path="rotate-ssh-key")
    def rotate_ssh_key(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Give it a new SSH key; the old one is in use until the new one was tried."""
        operation = key_rotation.rotate(integration=self.get_object(), actor=self.actor)
        on_commit_nudge(operation.pk)
        return self._started(operation)

    @extend_schema(request=None, responses={202: OperationSerializer})
    @action(detail=True, methods=["post"], url_path="rotate-webhook-secret")
    def rotate_webhook_secret(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Give it a new webhook secret; the old one is taken until a webhook came that the new one signs."""
        operation = secret_rotation.rotate(integration=self.get_object(), actor=self.actor)
        on_commit_nudge(operation.pk)
        return self._started(operation)

    @extend_schema(request=None, responses=IntegrationSerializer)
    @action(detail=True, methods=["post"], url_path="check-obstacles")
    def check_obstacles(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Ask the provider again what stands in the way of the webhook, the deploy key and commit statuses."""
        integration = self.get_object()
        obstacles.look_again(integration=integration, actor=self.actor)
        return self.answer(self._again(integration))

    @extend_schema(responses=ManualStepsSerializer, filters=False)
    @action(detail=True, methods=["get"], url_path="manual-steps", pagination_class=None)
    def manual_steps(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """What to fill in at the provider, where its token may not do that itself; holds the webhook's secret."""
        integration = self.get_object()
        policy.require(Act.SHOW_SECRET, user=self.actor, team=self.team, integration=integration.pk)
        url, key = webhook_urls_of(integration).get(integration.method, ""), current_key(integration)
        steps = {
            "webhook": webhooks.instructions(integration=integration, url=url, actor=self.actor) if url else None,
            "ssh_key": ssh_keys.instructions(key=key) if key else None,
        }
        shape = {name: step and manual_step(step) for name, step in steps.items()}
        return Response(ManualStepsSerializer(shape).data, headers={"Cache-Control": "no-store"})

    @extend_schema(parameters=[DeliveriesOfIntegration], responses=DeliverySerializer(many=True))
    @action(detail=True, methods=["get"], filters=DeliveriesOfIntegration)
    def deliveries(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Its deliveries, newest first."""
        integration = self.get_object()
        on_commit_freshen(integration)
        return self.list_of(
            lines(matching(integration.deliveries.all(), read_query(DeliveriesOfIntegration, request))),
            DeliverySerializer,
        )

    @extend_schema(parameters=[DeploymentFilters], responses=DeploymentSerializer(many=True))
    @action(detail=True, methods=["get"], filters=DeploymentFilters)
    def deployments(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Its deployments, newest first."""
        rows = self.get_object().deployments.select_related("requested_by")
        return self.list_of(self.narrowed(rows), DeploymentSerializer)

    @extend_schema(request=None, responses={201: DeploymentSerializer})
    @action(detail=True, methods=["post"], url_path="roll-back")
    def roll_back(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Deploy the last artifact that ran well before the present one."""
        started = deployment_services.roll_back(integration=self.get_object(), actor=self.actor)
        return Response(DeploymentSerializer(started).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=ArtifactSerializer(many=True))
    @action(detail=True, methods=["get"], filters=Filters)
    def artifacts(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Its artifacts, newest first."""
        return self.list_of(self.narrowed(self.get_object().artifacts.all()), ArtifactSerializer)

    @extend_schema(request=None, responses=FoundSerializer)
    @action(detail=True, methods=["post"], url_path="catch-up")
    def catch_up(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Compare the provider's refs with the deliveries now, and put the pushes that were missed on the queue."""
        integration = self.get_object()
        found = catch_up.catch_up(integration=integration, actor=self.actor)
        on_commit_sync(integration.pk)
        return Response(FoundSerializer({"queued": found}).data)

    @extend_schema(responses=DeadLettersSerializer, filters=False)
    @action(detail=True, methods=["get"], url_path="dead-letters", pagination_class=None)
    def dead_letters(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """How many pushes failed after several attempts: the length of its dead-letter queue."""
        return Response(DeadLettersSerializer({"count": dead_letters.count(integration=self.get_object())}).data)

    @extend_schema(request=None, responses=FoundSerializer)
    @action(detail=True, methods=["post"])
    def redrive(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Put failed pushes back on their queues."""
        integration = self.get_object()
        moved = dead_letters.redrive(integration=integration, actor=self.actor)
        on_commit_sync(integration.pk)
        return Response(FoundSerializer({"queued": moved}).data)

    def _started(self, operation: Any) -> Response:
        body = OperationSerializer(operation, context=self.get_serializer_context()).data
        return Response(body, status=status.HTTP_202_ACCEPTED)

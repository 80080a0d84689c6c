"""`/deliveries/`: what webhooks brought, what was decided and why."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from deployers.nudge import on_commit_sync
from deployers.services import deliveries
from integrations.models import Delivery, DeliveryStatus, DeployStatus, Integration, Method
from integrations.services import deliveries as delivery_rows
from panel.api.base import Noun
from panel.api.shapes import Filters, read_query
from panel.delivery_search import SEARCHED, search
from panel.watching import watch
from teams.services import tokens


class AttemptSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    duration_ms = serializers.IntegerField()
    error = serializers.CharField(allow_blank=True)


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """A delivery without its request; `artifacts` are the ids of what it became."""

    attempts = AttemptSerializer(many=True, read_only=True)
    artifacts = serializers.PrimaryKeyRelatedField[Any](many=True, read_only=True)
    duration_ms = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="From the webhook to its outcome; null while something happens."
    )

    method = serializers.ChoiceField(choices=Method.choices, allow_blank=True, read_only=True)
    deploy_status = serializers.ChoiceField(choices=DeployStatus.choices, allow_blank=True, read_only=True)

    class Meta:
        model = Delivery
        fields = [
            "id",
            "integration",
            "delivery_id",
            "provider_delivery_id",
            "event",
            "repository",
            "ref",
            "commit",
            "sender",
            "author",
            "message",
            "method",
            "status",
            "reason",
            "commit_status",
            "source_ip",
            "attempts",
            "artifacts",
            "artifact_bucket",
            "artifact_key",
            "artifact_version_id",
            "artifact_size",
            "deploy_status",
            "deploy_reason",
            "deployment_external_id",
            "duration_ms",
            "received_at",
            "stored_at",
            "updated_at",
        ]
        read_only_fields = fields


class DeliveryDetailSerializer(DeliverySerializer):
    """A delivery with the request that brought it, without its secrets."""

    request_headers = serializers.DictField(child=serializers.CharField(), read_only=True)

    class Meta(DeliverySerializer.Meta):
        fields = [*DeliverySerializer.Meta.fields, "request_headers", "request_body", "request_body_truncated"]
        read_only_fields = fields


class DeliveriesOfIntegration(Filters):
    status = serializers.ChoiceField(choices=DeliveryStatus.choices, required=False)
    method = serializers.ChoiceField(choices=Method.choices, required=False)
    ref = serializers.CharField(max_length=1024, required=False)
    commit = serializers.CharField(max_length=64, required=False)
    since = serializers.DateTimeField(required=False, help_text="Received then or later.")
    until = serializers.DateTimeField(required=False, help_text="Received before then.")
    q = serializers.CharField(
        max_length=200,
        required=False,
        help_text=f"A part of commit, ref, message, sender, author, reason or provider's id. The newest {SEARCHED} "
        "that the other parameters leave are searched: for earlier ones give `until`.",
    )


class DeliveryFilters(DeliveriesOfIntegration):
    integration = serializers.UUIDField(required=False)


def matching(rows: QuerySet[Delivery], query: dict[str, Any]) -> QuerySet[Delivery]:
    """What a list's query asks for, newest first."""
    equal = {name: query[name] for name in ("integration", "status", "method", "ref", "commit") if name in query}
    rows = rows.filter(**equal)
    if "since" in query:
        rows = rows.filter(received_at__gte=query["since"])
    if "until" in query:
        rows = rows.filter(received_at__lt=query["until"])
    return search(rows, query["q"])[0] if "q" in query else rows


def lines(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Deliveries as a list shows them: the request, up to 64 kB each, stays in the database."""
    return rows.defer("request_headers", "request_body").prefetch_related("artifacts")


@extend_schema_view(
    list=extend_schema(parameters=[DeliveryFilters], responses=DeliverySerializer(many=True)),
    retrieve=extend_schema(responses=DeliveryDetailSerializer),
)
class DeliveryViewSet(Noun[Delivery]):
    queryset = Delivery.objects.prefetch_related("artifacts")
    serializer_class = DeliveryDetailSerializer
    filters = DeliveryFilters

    def list(self, request: Request) -> Response:
        """Deliveries of all integrations, newest first."""
        query = read_query(DeliveryFilters, request)
        integrations = Integration.objects.of(self.team).within(tokens.limits(self.token).integrations)
        watch(integrations.filter(pk=query["integration"]) if "integration" in query else integrations)
        return self.list_of(lines(matching(self.get_queryset(), query)), DeliverySerializer)

    @extend_schema(request=None, responses={202: DeliveryDetailSerializer})
    @action(detail=True, methods=["post"])
    def redeliver(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Put the stored change on its queue again; a push that was ignored is evaluated again."""
        delivery = self.get_object()
        deliveries.redeliver(delivery=delivery, actor=self.actor)
        on_commit_sync(delivery.integration_id)
        delivery.refresh_from_db()
        return self.answer(delivery, status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={202: DeliveryDetailSerializer})
    @action(detail=True, methods=["post"], url_path="ask-provider")
    def ask_provider(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Have the provider send its delivery again; it comes through the webhook and is evaluated again."""
        delivery = self.get_object()
        delivery_rows.ask_provider(delivery=delivery, actor=self.actor)
        on_commit_sync(delivery.integration_id)
        return self.answer(delivery, status.HTTP_202_ACCEPTED)

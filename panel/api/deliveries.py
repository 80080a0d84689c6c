"""`/deliveries/`: what webhooks brought, what was decided and why."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from deployers.services import deliveries
from integrations.models import Delivery, DeliveryStatus
from panel.api.base import Noun
from panel.api.shapes import Filters


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
            "source_ip",
            "attempts",
            "artifacts",
            "artifact_bucket",
            "artifact_key",
            "artifact_version_id",
            "artifact_size",
            "duration_ms",
            "received_at",
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
    ref = serializers.CharField(max_length=1024, required=False)
    commit = serializers.CharField(max_length=64, required=False)


class DeliveryFilters(DeliveriesOfIntegration):
    integration = serializers.UUIDField(required=False)


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

    def list(self, request: Request) -> Response:  # noqa: ARG002
        """Deliveries of all integrations, newest first."""
        return self.list_of(lines(self.narrowed(self.get_queryset())), DeliverySerializer)

    @extend_schema(request=None, responses={202: DeliveryDetailSerializer})
    @action(detail=True, methods=["post"])
    def redeliver(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Put the stored change on its queue again."""
        delivery = self.get_object()
        deliveries.redeliver(delivery=delivery, actor=self.actor)
        delivery.refresh_from_db()
        return self.answer(delivery, status.HTTP_202_ACCEPTED)

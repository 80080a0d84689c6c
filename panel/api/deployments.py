"""`/deployments/`: what was deployed where, by whom, and how it went."""

from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from deployers.models import Deployment, DeploymentStep
from deployers.services import deployments
from deployers.states import DeploymentStatus
from panel import deployment_csv
from panel.api.base import Noun
from panel.api.shapes import Filters, Strict, read_body, read_query


class DeploymentStepSerializer(serializers.ModelSerializer[DeploymentStep]):
    url = serializers.CharField(read_only=True, help_text="Where AWS shows it; empty if it does not.")

    class Meta:
        model = DeploymentStep
        fields = ["group", "name", "status", "started_at", "finished_at", "script", "message", "log_tail", "url"]
        read_only_fields = fields


class DeploymentSerializer(serializers.ModelSerializer[Deployment]):
    requested_by = serializers.SlugRelatedField[Deployment](slug_field="username", read_only=True, allow_null=True)
    duration = serializers.DurationField(read_only=True, allow_null=True, help_text="So far, while it runs.")
    lead_time = serializers.DurationField(
        read_only=True,
        allow_null=True,
        help_text="From when the push came in until it ran; null for what no push brought.",
    )

    class Meta:
        model = Deployment
        fields = [
            "id",
            "integration",
            "stack",
            "deployer",
            "external_id",
            "status",
            "aws_status",
            "trigger",
            "requested_by",
            "rolls_back",
            "artifact",
            "bucket",
            "key",
            "version_id",
            "ref",
            "commit",
            "author",
            "message",
            "description",
            "problem",
            "remedy",
            "instances",
            "created_at",
            "started_at",
            "finished_at",
            "duration",
            "lead_time",
        ]
        read_only_fields = fields


class DeploymentFilters(Filters):
    integration = serializers.UUIDField(required=False)
    status = serializers.ChoiceField(choices=DeploymentStatus.choices, required=False)
    ref = serializers.CharField(max_length=1024, required=False, help_text="In full: refs/heads/main.")
    commit = serializers.CharField(max_length=64, required=False)
    since = serializers.DateTimeField(source="created_at__gte", required=False, help_text="Made then or later.")
    until = serializers.DateTimeField(source="created_at__lt", required=False, help_text="Made before then.")


class StopQuery(Strict):
    roll_back = serializers.BooleanField(default=False, help_text="Then deploy what ran before.")


class CommentSerializer(Strict):
    comment = serializers.CharField(max_length=400, required=False, allow_blank=True, default="")


@extend_schema_view(list=extend_schema(parameters=[DeploymentFilters]))
class DeploymentViewSet(Noun[Deployment]):
    queryset = Deployment.objects.select_related("requested_by")
    serializer_class = DeploymentSerializer
    filters = DeploymentFilters

    @extend_schema(responses=DeploymentStepSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], filters=Filters)
    def steps(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """What happened on each instance, in order, with the last lines of scripts."""
        return self.list_of(self.get_object().steps_in_order, DeploymentStepSerializer)

    @extend_schema(request=CommentSerializer, responses=DeploymentSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Let a pipeline's run that waits for an approval go on."""
        comment = read_body(CommentSerializer, request)["comment"]
        return self.answer(deployments.approve(deployment=self.get_object(), actor=self.actor, comment=comment))

    @extend_schema(request=CommentSerializer, responses=DeploymentSerializer)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """End a pipeline's run that waits for an approval."""
        comment = read_body(CommentSerializer, request)["comment"]
        return self.answer(deployments.reject(deployment=self.get_object(), actor=self.actor, comment=comment))

    @extend_schema(request=None, responses=DeploymentSerializer)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Do the failed stage of a pipeline's run once more."""
        return self.answer(deployments.retry(deployment=self.get_object(), actor=self.actor))

    @extend_schema(parameters=[StopQuery], request=None, responses=DeploymentSerializer)
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Stop a deployment that runs."""
        query = read_query(StopQuery, request)
        found = deployments.stop(deployment=self.get_object(), actor=self.actor, roll_back=query["roll_back"])
        return self.answer(found)

    @extend_schema(parameters=[DeploymentFilters], responses={(200, "text/csv"): OpenApiTypes.STR})
    @action(detail=False, methods=["get"], filters=DeploymentFilters, pagination_class=None)
    def export(self, request: Request) -> StreamingHttpResponse:  # noqa: ARG002
        """The same list as CSV, the newest first, up to 50,000."""
        rows: QuerySet[Any] = self.narrowed(self.get_queryset())
        return deployment_csv.response(rows)

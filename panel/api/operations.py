"""`/operations/`: what the panel is bringing about, or has."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from deployers.models import Operation, OperationKind
from deployers.nudge import on_commit_nudge
from deployers.services import stacks
from deployers.states import OperationStatus
from panel.api.base import Noun
from panel.api.shapes import Filters


class ChangeSerializer(serializers.Serializer[Any]):
    """What an operation under review would do to one resource."""

    action = serializers.CharField(help_text="Add, Modify, Remove, Import or Dynamic.")
    logical_id = serializers.CharField()
    resource_type = serializers.CharField()
    replacement = serializers.CharField(help_text="True, Conditional, False or blank.")
    properties = serializers.ListField(child=serializers.CharField())
    stack = serializers.CharField(help_text="The nested stack that the resource is in, or blank.")
    possible = serializers.CharField(
        default="", help_text="Why the change, or the replacement, may not happen; blank for what is certain."
    )


class OperationSerializer(serializers.ModelSerializer[Operation]):
    changes = serializers.SerializerMethodField(help_text="While it waits for an approval: what it would do.")
    requested_by = serializers.SlugRelatedField[Operation](slug_field="username", read_only=True, allow_null=True)

    class Meta:
        model = Operation
        fields = [
            "id",
            "integration",
            "stack",
            "kind",
            "status",
            "batch",
            "step",
            "step_label",
            "changes",
            "problem_code",
            "problem",
            "remedy",
            "requested_by",
            "created_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields

    @extend_schema_field(ChangeSerializer(many=True))
    def get_changes(self, operation: Operation) -> Any:
        return operation.options.get("changes", []) if operation.status == OperationStatus.WAITING else []


class OperationFilters(Filters):
    integration = serializers.UUIDField(required=False)
    stack = serializers.UUIDField(required=False)
    kind = serializers.ChoiceField(choices=OperationKind.choices, required=False)
    status = serializers.ChoiceField(choices=OperationStatus.choices, required=False)
    batch = serializers.UUIDField(required=False, help_text="Of rotations that were asked for at once.")


@extend_schema_view(list=extend_schema(parameters=[OperationFilters]))
class OperationViewSet(Noun[Operation]):
    queryset = Operation.objects.select_related("requested_by")
    serializer_class = OperationSerializer
    filters = OperationFilters

    @extend_schema(request=None, responses={202: OperationSerializer})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Start over what failed; answers the new operation."""
        operation = stacks.retry(operation=self.get_object(), actor=self.actor)
        on_commit_nudge(operation.pk)
        return self.answer(operation, status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={200: OperationSerializer})
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Carry out the changes that an operation waits with."""
        operation = stacks.approve(operation=self.get_object(), actor=self.actor)
        on_commit_nudge(operation.pk)
        return self.answer(operation)

    @extend_schema(request=None, responses={200: OperationSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Stop an operation, where it can still be stopped."""
        operation = self.get_object()
        stacks.cancel(operation=operation, actor=self.actor)
        operation.refresh_from_db()
        return self.answer(operation)

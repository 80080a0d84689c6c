"""`/stacks/`: the CloudFormation stacks of integrations, as AWS last told."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from deployers.models import Stack, StackEvent, StackKind
from deployers.nudge import on_commit_nudge
from deployers.services import stacks
from deployers.states import StackState
from panel.api.base import Noun
from panel.api.operations import OperationSerializer
from panel.api.shapes import Filters, read_query


class StackSerializer(serializers.ModelSerializer[Stack]):
    """`aws_status` is CloudFormation's own word, `state` what it means."""

    state = serializers.ChoiceField(choices=[state.value for state in StackState], read_only=True)
    outputs = serializers.DictField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Stack
        fields = [
            "id",
            "integration",
            "kind",
            "name",
            "region",
            "stack_id",
            "state",
            "aws_status",
            "status_reason",
            "outputs",
            "template_version",
            "image_id",
            "resources_done",
            "resources_total",
            "seen_at",
            "created_at",
        ]
        read_only_fields = fields


class StackEventSerializer(serializers.ModelSerializer[StackEvent]):
    class Meta:
        model = StackEvent
        fields = ["event_id", "timestamp", "logical_id", "physical_id", "resource_type", "status", "reason"]
        read_only_fields = fields


class StackFilters(Filters):
    integration = serializers.UUIDField(required=False)
    kind = serializers.ChoiceField(choices=StackKind.choices, required=False)


@extend_schema_view(list=extend_schema(parameters=[StackFilters]))
class StackViewSet(Noun[Stack]):
    queryset = Stack.objects.all()
    serializer_class = StackSerializer
    filters = StackFilters

    @extend_schema(responses={202: OperationSerializer})
    def destroy(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Start the deletion of the stack of a deployer that its integration does not use any more."""
        operation = stacks.remove(stack=self.get_object(), actor=self.actor)
        on_commit_nudge(operation.pk)
        body = OperationSerializer(operation, context=self.get_serializer_context()).data
        return Response(body, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={202: OperationSerializer})
    @action(detail=True, methods=["post"], url_path="update-image")
    def update_image(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Have its instances made from the newest image; the operation waits until its changes are approved."""
        operation = stacks.update_image(stack=self.get_object(), actor=self.actor)
        on_commit_nudge(operation.pk)
        body = OperationSerializer(operation, context=self.get_serializer_context()).data
        return Response(body, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses=StackEventSerializer(many=True))
    @action(detail=True, methods=["get"])
    def events(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """CloudFormation's log of the stack, newest first."""
        read_query(Filters, request)
        return self.list_of(self.get_object().events.order_by("-timestamp", "-pk"), StackEventSerializer)

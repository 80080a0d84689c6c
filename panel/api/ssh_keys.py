"""`/ssh-keys/`: the keys that stacks fetch with, and their rotation. Private halves never leave the AWS account."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from deployers.nudge import on_commit_nudge
from deployers.services import key_rotation
from integrations.models import Integration, RemoteState, SSHKey, SSHKeyState
from panel.api.base import Noun
from panel.api.operations import OperationSerializer
from panel.api.shapes import Filters, Strict, read_body, read_query
from teams import policy
from teams.policy import Act


class SSHKeySerializer(serializers.ModelSerializer[SSHKey]):
    """The public half of a key, and where it stands."""

    type = serializers.CharField(read_only=True, help_text="As OpenSSH names it: ssh-ed25519.")
    at_provider = serializers.ChoiceField(
        choices=RemoteState.choices, source="remote_state", read_only=True, help_text="Whether the provider has it."
    )

    class Meta:
        model = SSHKey
        fields = [
            "id",
            "integration",
            "state",
            "public_key",
            "fingerprint",
            "type",
            "at_provider",
            "problem",
            "created_at",
            "current_since",
            "retired_at",
            "revoked_at",
            "checked_at",
            "last_used_at",
        ]
        read_only_fields = fields


class SSHKeyFilters(Filters):
    integration = serializers.UUIDField(required=False)
    state = serializers.ChoiceField(choices=SSHKeyState.choices, required=False)
    at_provider = serializers.ChoiceField(choices=RemoteState.choices, required=False)
    older_than_days = serializers.IntegerField(min_value=0, max_value=10_000, required=False)


class RotateBody(Strict):
    """Exactly one of the two."""

    integrations = serializers.ListField(
        child=serializers.UUIDField(), required=False, min_length=1, max_length=key_rotation.MOST_AT_ONCE
    )
    older_than_days = serializers.IntegerField(
        min_value=0,
        max_value=10_000,
        required=False,
        help_text="All whose key was made that many days ago, or earlier.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError("Give either integrations or older_than_days.")
        return attrs


class RevokeBody(Strict):
    confirm = serializers.CharField(
        max_length=60, help_text="The name of the integration, as its fetches stop at once."
    )


class RefusedSerializer(serializers.Serializer[Any]):
    integration = serializers.UUIDField()
    code = serializers.CharField()
    detail = serializers.CharField()


class BatchSerializer(serializers.Serializer[Any]):
    """Rotations that were asked for at once; `/operations/?batch=` follows them."""

    batch = serializers.UUIDField()
    operations = OperationSerializer(many=True)
    refused = RefusedSerializer(many=True)
    left_over = serializers.IntegerField(
        help_text=f"How many were not started, as {key_rotation.MOST_AT_ONCE} are at once: ask again for them."
    )


@extend_schema_view(list=extend_schema(parameters=[SSHKeyFilters]))
class SSHKeyViewSet(Noun[SSHKey]):
    queryset = SSHKey.objects.select_related("integration__team", "integration__repository__provider")
    serializer_class = SSHKeySerializer
    filters = SSHKeyFilters

    def narrowed(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        query = read_query(self.filters, self.request)
        names = {"integration": "integration", "state": "state", "at_provider": "remote_state"}
        found = queryset.filter(**{names[name]: value for name, value in query.items() if name in names})
        if "older_than_days" in query:
            found = found.filter(created_at__lte=timezone.now() - timedelta(days=query["older_than_days"]))
        return found

    @extend_schema(request=RotateBody, responses={202: BatchSerializer})
    @action(detail=False, methods=["post"], pagination_class=None, filters=Filters)
    def rotate(self, request: Request) -> Response:
        """Rotate the keys of several integrations, a few seconds apart at each provider."""
        policy.require(Act.ROTATE_MANY_KEYS, user=self.actor, team=self.team)
        body = read_body(RotateBody, request)
        rows = Integration.objects.of(self.team)
        if "integrations" in body:
            wanted = set(body["integrations"])
            found = list(rows.filter(pk__in=wanted).select_related("team", "repository__provider").order_by("name"))
            if len(found) != len(wanted):
                raise serializers.ValidationError({"integrations": ["Not all of them are integrations of this team."]})
        else:
            found = key_rotation.older_than(days=body["older_than_days"], integrations=rows)
        batch = key_rotation.rotate_many(integrations=found, actor=self.actor, at_most=key_rotation.MOST_AT_ONCE)
        for operation in batch.operations[:1]:
            on_commit_nudge(operation.pk)
        refused = [{"integration": each.pk, "code": error.code, "detail": str(error)} for each, error in batch.refused]
        shape = {
            "batch": batch.id,
            "operations": batch.operations,
            "refused": refused,
            "left_over": batch.left_over,
        }
        return Response(BatchSerializer(shape).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=RevokeBody)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Make a key that leaked worthless at once: its integration fetches nothing until the key is rotated."""
        key = self.get_object()
        policy.require(Act.REVOKE_KEY, user=self.actor, team=self.team, integration=key.integration_id)
        body = read_body(RevokeBody, request)
        if body["confirm"] != key.integration.name:
            raise serializers.ValidationError({"confirm": [f"Write {key.integration.name} to revoke its key."]})
        return self.answer(key_rotation.revoke(key=key, actor=self.actor))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def repair(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Add a key that the provider lost there again."""
        key = self.get_object()
        key_rotation.repair(key=key, actor=self.actor)
        return self.answer(key)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def check(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Ask the provider now whether it has the key."""
        key = self.get_object()
        key_rotation.check(key=key, actor=self.actor)
        return self.answer(key)

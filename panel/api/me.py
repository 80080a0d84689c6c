"""`/me/`: who the token is."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from panel.api.throttling import PerToken
from teams.models import ApiToken, Role, Team
from teams.services import roles


class TeamSerializer(serializers.ModelSerializer[Team]):
    class Meta:
        model = Team
        fields = ["id", "name", "slug"]
        read_only_fields = fields


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    """A token without its secret: `prefix` is how it begins."""

    class Meta:
        model = ApiToken
        fields = ["id", "name", "prefix", "scope", "restricted_to", "created_at", "expires_at"]
        read_only_fields = fields


class MeSerializer(serializers.Serializer[Any]):
    user = serializers.CharField()
    team = TeamSerializer()
    role = serializers.ChoiceField(choices=Role.choices)
    token = TokenSerializer()


class Me(APIView):
    """The user, the team and the role that the token acts with."""

    throttle_classes = [PerToken]

    @extend_schema(responses=MeSerializer)
    def get(self, request: Request) -> Response:
        token = request.auth
        assert isinstance(token, ApiToken)  # noqa: S101
        role = roles.role_in(user=token.user, team=token.team)
        shape = MeSerializer({"user": token.user.username, "team": token.team, "role": role, "token": token})
        return Response(shape.data)

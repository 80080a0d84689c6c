"""What the shapes of requests have in common: unknown fields are refused, related objects are of the token's team."""

from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from deployers.services import accounts
from panel.api.pagination import Paging
from panel.api.problems import InvalidQuery
from teams.models import TeamQuerySet
from teams.services import tokens

M = TypeVar("M", bound=Model)


def a_region(name: str) -> None:
    """Validates the name of a region against AWS's list."""
    if problem := accounts.region_problem(name):
        raise serializers.ValidationError(problem)


class Strict(serializers.Serializer[Any]):
    """The body or the query of a request: a field that is not declared is an error, not silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = sorted(set(data) - set(self.fields))
            if unknown:
                allowed = ", ".join(self.fields) or "none"
                raise serializers.ValidationError({name: [f"Unknown field. Known: {allowed}."] for name in unknown})
        return super().to_internal_value(data)


class Filters(Strict, Paging):
    """The query of a list; each field besides the paging narrows it by equality."""


class OfTeam(serializers.PrimaryKeyRelatedField[Any]):
    """The id of an object of the token's team; anybody else's does not exist."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("pk_field", serializers.UUIDField())
        super().__init__(**kwargs)

    def get_queryset(self) -> QuerySet[Any]:
        queryset = super().get_queryset()
        assert isinstance(queryset, TeamQuerySet)  # noqa: S101
        token = self.context["request"].auth
        return queryset.of(token.team).within(tokens.limits(token).integrations)


def read_body(shape: type[Strict], request: Request, *, partial: bool = False) -> dict[str, Any]:
    """The validated body. Raises ValidationError."""
    serializer = shape(data=request.data, partial=partial, context={"request": request})
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def read_query(shape: type[Strict], request: Request) -> dict[str, Any]:
    """The validated query parameters; of a repeated one the last counts. Raises InvalidQuery."""
    serializer = shape(data=request.query_params.dict(), context={"request": request})
    if not serializer.is_valid():
        raise InvalidQuery(serializer.errors)
    return dict(serializer.validated_data)

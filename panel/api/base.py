"""What all nouns of the API have in common: only objects of the token's team, found by id, listed in pages."""

from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from panel.api.pagination import Paging
from panel.api.parsing import Json
from panel.api.shapes import Filters, read_query
from panel.api.throttling import PerToken
from teams.models import ApiToken, Team, TeamQuerySet, User
from teams.services import tokens

M = TypeVar("M", bound=Model)


class Noun(GenericViewSet[M]):
    """List and detail of one model; `filters` declares the query parameters of the list."""

    lookup_field = "id"
    lookup_value_converter = "uuid"
    parser_classes = [Json]
    throttle_classes = [PerToken]
    filters: type[Filters] = Filters

    @property
    def token(self) -> ApiToken:
        assert isinstance(self.request.auth, ApiToken)  # noqa: S101
        return self.request.auth

    @property
    def team(self) -> Team:
        return self.token.team

    @property
    def actor(self) -> User:
        return self.token.user

    def get_queryset(self) -> QuerySet[M]:
        queryset = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return queryset.none()
        assert isinstance(queryset, TeamQuerySet)  # noqa: S101
        return queryset.of(self.team).within(tokens.limits(self.token).integrations)

    def answer(self, obj: M, code: int = status.HTTP_200_OK) -> Response:
        """One object in the noun's shape."""
        return Response(self.get_serializer(obj).data, status=code)

    def list_of(self, queryset: QuerySet[Any], shape: Any) -> Response:
        """A page of `queryset`, each row in `shape`."""
        rows = self.paginate_queryset(queryset)
        return self.get_paginated_response(shape(rows, many=True, context=self.get_serializer_context()).data)

    def narrowed(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Only the rows that the query parameters ask for."""
        query = read_query(self.filters, self.request)
        return queryset.filter(**{name: value for name, value in query.items() if name not in Paging().fields})

    def list(self, request: Request) -> Response:  # noqa: ARG002
        """All that the query asks for, a page at a time."""
        return self.list_of(self.narrowed(self.get_queryset()), self.get_serializer_class())

    def retrieve(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """One, by its id."""
        return self.answer(self.get_object())

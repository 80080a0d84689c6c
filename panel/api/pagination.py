"""Lists in pages: `?page=2&page_size=50`."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param
from rest_framework.views import APIView

PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
MAX_PAGE = 10_000
COUNT_LIMIT = 10_000
"""Rows counted at most, so that a page of a million deliveries costs no more than one of a thousand."""


class Paging(serializers.Serializer[Any]):
    """The query parameters of every list."""

    page = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=1)
    page_size = serializers.IntegerField(min_value=1, max_value=MAX_PAGE_SIZE, default=PAGE_SIZE)


class Pages(BasePagination):
    """`{"count", "next", "previous", "results"}`.

    `count` is null when there are more than COUNT_LIMIT rows; a page past the last one is empty, not an error.
    """

    display_page_controls = False

    def paginate_queryset(
        self,
        queryset: QuerySet[Any] | Sequence[Any],
        request: Request,
        view: APIView | None = None,  # noqa: ARG002
    ) -> list[Any]:
        assert isinstance(queryset, QuerySet)  # noqa: S101
        paging = Paging(data=request.query_params.dict())
        paging.is_valid(raise_exception=True)
        page, size = paging.validated_data["page"], paging.validated_data["page_size"]
        first = (page - 1) * size
        rows = list(queryset[first : first + size + 1])
        url = request.build_absolute_uri()
        self.next = replace_query_param(url, "page", page + 1) if len(rows) > size and page < MAX_PAGE else None
        self.previous = None if page == 1 else remove_query_param(url, "page")
        if page > 2:
            self.previous = replace_query_param(url, "page", page - 1)
        self.count: int | None = first + len(rows)
        if len(rows) > size or (first and not rows):
            counted = queryset.order_by()[: COUNT_LIMIT + 1].count()
            self.count = counted if counted <= COUNT_LIMIT else None
        return rows[:size]

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"count": self.count, "next": self.next, "previous": self.previous, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["count", "next", "previous", "results"],
            "properties": {
                "count": {
                    "type": "integer",
                    "nullable": True,
                    "description": f"Null when there are more than {COUNT_LIMIT}.",
                },
                "next": link,
                "previous": link,
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:  # noqa: ARG002
        return [
            {"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE}},
            {
                "name": "page_size",
                "in": "query",
                "schema": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": PAGE_SIZE},
            },
        ]

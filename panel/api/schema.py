"""The OpenAPI schema and the page that shows it."""

from functools import cache
from typing import Any

from django.urls import reverse
from django.views.generic import TemplateView
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView

from panel.api.reference import resources

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "The HTTP status in words."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened."},
        "code": {"type": "string", "description": "Names the case for machines."},
        "remedy": {"type": "string", "description": "What to do about it."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "field": {"type": "string"},
                    "pointer": {"type": "string", "description": "A JSON pointer into the body."},
                    "parameter": {"type": "string", "description": "The query parameter."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def add_words(result: dict[str, Any], generator: object, request: object, public: bool) -> dict[str, Any]:  # noqa: ARG001
    """A postprocessing hook of drf-spectacular: a summary for every operation, and the problems it may answer."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    answer = {
        "description": "A problem (RFC 9457).",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = answer
            operation["summary"] = operation["description"].partition("\n")[0].removesuffix(".")
    return result


@cache
def _generated() -> dict[str, Any]:
    return dict(SchemaGenerator().get_schema(public=True))  # type: ignore[no-untyped-call]


class GeneratedOnce(SchemaGenerator):
    """The schema is the same for everybody, and takes half a second to make."""

    def get_schema(self, request: object = None, public: bool = False) -> dict[str, Any]:  # noqa: ARG002
        return _generated()


class SchemaView(SpectacularAPIView):
    """The API as OpenAPI 3, for everybody: it tells nothing of anyone's data."""

    authentication_classes = []
    generator_class = GeneratedOnce


class DocsView(TemplateView):
    """The reference, drawn by the panel itself from the schema: it needs no JavaScript."""

    template_name = "api/docs.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            schema_url=reverse("api-schema"), resources=resources(_generated()), problem=PROBLEM["properties"], **kwargs
        )

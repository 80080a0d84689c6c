"""`If-Match`: a change that is only to be made to what the caller has seen (RFC 9110, section 13.1.1)."""

from django.utils.http import parse_etags
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

IF_MATCH = OpenApiParameter(
    "If-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The `ETag` of the integration as you read it. If somebody changed its settings since, the answer is "
    "412 and says who changed what; nothing is changed then. Without it the last change wins.",
)


def expected_version(request: Request, *, present: str) -> str | None:
    """The version that the caller expects; None where it expects none, or any (`*`).

    Of several the present one counts if it is among them. A weak tag never matches, as RFC 9110 has it.
    """
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    tags = [tag.strip('"') for tag in parse_etags(header) if not tag.startswith("W/")]
    return present if present in tags else (tags[0] if tags else "")

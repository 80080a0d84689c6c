"""Who calls the API: a bearer token that acts as its user, in one team."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from teams.models import ApiToken, User
from teams.services import origin, tokens


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer sluice_...` (RFC 6750); `request.auth` is the ApiToken, `request.auth.team` its team."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, plain = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = tokens.authenticate(plain.strip())
        if token is None:
            raise AuthenticationFailed("The token is unknown, has expired, or its user has left the team.")
        origin.with_token(token.name, tokens.limits(token))
        return token.user, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return 'Bearer realm="Sluice"'


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI schema describes BearerToken."""

    target_class = BearerToken
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002
        return {"type": "http", "scheme": "bearer", "description": "An API token of the panel."}

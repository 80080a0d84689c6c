"""How callers sign in at Bitbucket Cloud, and how it words its answers.

https://developer.atlassian.com/cloud/bitbucket/rest/intro/
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any

from aiohttp import web

from sandbox.git_host.access import ApiError, Context, query_number
from sandbox.git_host.records import Json, Token

OAUTH_PREFIX = "bbo_"
_MAX_PAGE = 100
# https://support.atlassian.com/bitbucket-cloud/kb/this-api-is-not-accessible-by-this-authentication-mechanism/
_WRONG_MECHANISM = "This API is not accessible by this authentication mechanism"


class Mechanism(Enum):
    """How a caller signed in, as X-Credential-Type says it."""

    API_TOKEN = "apitoken"
    ACCESS_TOKEN = "repo_access_token"
    OAUTH = "oauth2"


def mechanism(request: web.Request) -> Mechanism:
    """How the caller signed in."""
    kind, _, rest = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "basic":
        return Mechanism.API_TOKEN
    return Mechanism.OAUTH if rest.strip().startswith(OAUTH_PREFIX) else Mechanism.ACCESS_TOKEN


def scopes(request: web.Request, token: Token) -> list[str]:
    """What the caller may do, in the words that go with the way of signing in."""
    limited = token.fine_grained or "repo" not in token.scopes
    if mechanism(request) is Mechanism.API_TOKEN:
        reading = ["read:user:bitbucket", "read:workspace:bitbucket", "read:repository:bitbucket"]
        webhooks = ["read:webhook:bitbucket", "write:webhook:bitbucket", "delete:webhook:bitbucket"]
        return reading if limited else [*reading, *webhooks, "admin:repository:bitbucket"]
    return ["repository"] if limited else ["account", "repository:admin", "webhook"]


def refuse(request: web.Request, *mechanisms: Mechanism) -> None:
    """Raises ApiError for these ways of signing in."""
    if mechanism(request) in mechanisms:
        raise ApiError(403, _WRONG_MECHANISM)


def paged(request: web.Request, context: Context, values: Sequence[Any], *, usual: int = 10) -> Json:
    """A page of a list. https://developer.atlassian.com/cloud/bitbucket/rest/intro/#pagination"""
    size = min(max(query_number(request, "pagelen", usual), 1), _MAX_PAGE)
    page = max(query_number(request, "page", 1), 1)
    body: Json = {"pagelen": size, "size": len(values), "page": page, "values": values[(page - 1) * size : page * size]}
    if page * size < len(values):
        following = request.rel_url.update_query(page=str(page + 1))
        body["next"] = f"{context.address.url}{following.raw_path_qs}"
    return body

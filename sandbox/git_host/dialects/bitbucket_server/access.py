"""Who may do what at Bitbucket Data Center, and how it words its answers.

https://developer.atlassian.com/server/bitbucket/rest/
"""

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from sandbox.git_host.access import ApiError, Context, Need, query_number
from sandbox.git_host.records import Json, Repository, Token

_PACKAGE = "com.atlassian.bitbucket."
_MOST = 1000


def problem(status: int, message: str, exception: str, context: str | None = None) -> ApiError:
    """An error with the name of its exception, which clients tell errors by."""
    error = {"context": context, "message": message, "exceptionName": _PACKAGE + exception}
    return ApiError(status, message, body={"errors": [error]})


def repository(context: Context, request: web.Request, need: Need) -> tuple[Token, Repository]:
    """The repository of the request's path, for a caller who may do this with it.

    Raises ApiError: 401 also for who is signed in and may not, 404 only for what is not there.
    """
    key, slug = request.match_info["key"], request.match_info["repo"]
    found = context.store.repository(key, slug)
    token = context.identify(request)
    if found is None:
        raise problem(404, f"Repository {key}/{slug} does not exist.", "repository.NoSuchRepositoryException")
    try:
        token, found = context.admit(request, found, need)
    except ApiError:
        token = None
    if token is None:
        words = "You are not permitted to access this resource"
        raise problem(401, words, "AuthorisationException")
    return token, found


def paged(request: web.Request, values: Sequence[Any], *, usual: int = 25) -> Json:
    """A page of a list: `start` counts items."""
    limit = min(max(query_number(request, "limit", usual), 1), _MOST)
    start = query_number(request, "start", 0)
    page = list(values[start : start + limit])
    last = start + limit >= len(values)
    body: Json = {"size": len(page), "limit": limit, "start": start, "isLastPage": last, "values": page}
    return body | {"nextPageStart": None if last else start + limit}

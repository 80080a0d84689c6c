"""The HTTPS side of the git host put together: REST API, archives, git over HTTPS."""

import hashlib
import uuid

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sandbox.git_host.api.access import ApiError, Context
from sandbox.git_host.api.hooks import HooksApi
from sandbox.git_host.api.keys import KeysApi
from sandbox.git_host.api.repositories import RepositoriesApi
from sandbox.git_host.shapes import VERSION

API = "/api/v3"
_MAX_BODY_BYTES = 10 * 1024 * 1024


def application(context: Context, more: list[web.RouteDef]) -> web.Application:
    """The server's application: the API under /api/v3, and other routes at the root."""
    app = web.Application(middlewares=[_answers(context)], client_max_size=_MAX_BODY_BYTES)
    # Statuses of a commit come before the commits, whose names may hold slashes.
    for part in (HooksApi(context), KeysApi(context), RepositoriesApi(context)):
        for route in part.routes():
            app.router.add_route(route.method, API + route.path, route.handler)
    app.router.add_routes(more)
    return app


def _answers(context: Context) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(API):
            return await handler(request)
        try:
            response = await handler(request)
        except ApiError as error:
            response = web.json_response(error.body, status=error.status, headers=error.headers)
        except web.HTTPException as error:
            status = 404 if error.status == 405 else error.status
            body = {"message": "Not Found" if status == 404 else error.reason, "status": str(status)}
            response = web.json_response(body, status=status)
        return _finish(context, request, response)

    return middleware


def _finish(context: Context, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    headers = response.headers
    headers["X-GitHub-Enterprise-Version"] = VERSION
    headers["X-GitHub-Request-Id"] = str(uuid.uuid4())
    headers["X-GitHub-Media-Type"] = "github.v3; format=json"
    headers["X-GitHub-Api-Version-Selected"] = request.headers.get("X-GitHub-Api-Version", "2022-11-28")
    try:
        token = context.identify(request)
    except ApiError:
        token = None
    if token and not token.fine_grained:
        headers["X-OAuth-Scopes"] = ", ".join(sorted(token.scopes))
        headers.setdefault("X-Accepted-OAuth-Scopes", "")
    if isinstance(response, web.Response) and request.method == "GET" and response.status == 200:
        etag = f'"{hashlib.sha256(response.body or b"").hexdigest()}"'  # type: ignore[arg-type]
        headers["ETag"] = etag
        if request.headers.get("If-None-Match", "").removeprefix("W/") == etag:
            return web.Response(status=304, headers={"ETag": etag})
    return response

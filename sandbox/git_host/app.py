"""The HTTPS side of the git host put together: REST APIs, archives, git over HTTPS."""

from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sandbox.git_host.access import ApiError
from sandbox.git_host.dialects import Dialect
from sandbox.git_host.faults import Faults

_MAX_BODY_BYTES = 10 * 1024 * 1024


def application(dialects: Sequence[Dialect], more: Sequence[web.RouteDef], faults: Faults) -> web.Application:
    """The server's application: what each dialect answers unless a fault says otherwise, and other routes."""
    app = web.Application(middlewares=[_answers(dialects, faults)], client_max_size=_MAX_BODY_BYTES)
    for dialect in dialects:
        app.router.add_routes(dialect.routes())
    app.router.add_routes(more)
    return app


def _answers(dialects: Sequence[Dialect], faults: Faults) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        spoken = (dialect for dialect in dialects if request.path.startswith(dialect.roots))
        dialect = next(spoken, None)
        if dialect is None:
            return await handler(request)
        try:
            faults.meet(request.method, request.path)
            response = await handler(request)
        except ApiError as error:
            body = dialect.error(error) if error.body is None else error.body
            response = web.json_response(body, status=error.status, headers=error.headers)
        except web.HTTPException as error:
            status = 404 if error.status == 405 else error.status
            body = dialect.error(ApiError(status, "Not Found" if status == 404 else error.reason))
            response = web.json_response(body, status=status)
        return dialect.finish(request, response)

    return middleware

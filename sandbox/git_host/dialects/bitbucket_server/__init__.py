"""Bitbucket Data Center: REST API and webhooks.

https://developer.atlassian.com/server/bitbucket/rest/
https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html
"""

import hashlib
import hmac
from urllib.parse import quote

from aiohttp import web

from sandbox.git_host.access import ApiError, Context
from sandbox.git_host.dialects.base import Dialect
from sandbox.git_host.dialects.bitbucket_server.access import problem
from sandbox.git_host.dialects.bitbucket_server.hooks import PING, HooksApi
from sandbox.git_host.dialects.bitbucket_server.repositories import VERSION, RepositoriesApi
from sandbox.git_host.dialects.bitbucket_server.shapes import Shapes
from sandbox.git_host.messages import Envelope, Message
from sandbox.git_host.pushes import Push
from sandbox.git_host.records import Json

API, KEYS = r"/rest/api/{version:latest|1\.0}", r"/rest/keys/{version:latest|1\.0}"
_EXCEPTIONS = {401: "auth.IncorrectPasswordAuthenticationException", 404: "NoSuchObjectException"}
_WORDS = {401: "Authentication failed. Please check your credentials and try again."}


class BitbucketServer(Dialect):
    """The dialect of Bitbucket Data Center, below /rest."""

    kind = "bitbucket_server"
    roots = ("/rest/",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.shapes = Shapes(context.address)

    def routes(self) -> list[web.RouteDef]:
        hooks, repositories = HooksApi(self, self.shapes), RepositoriesApi(self.context, self.shapes)
        # Build statuses of a commit come before the commits, whose names may hold slashes.
        api = [route for part in (hooks, repositories) for route in part.routes()]
        return [
            *(web.route(route.method, API + route.path, route.handler) for route in api),
            *(web.route(route.method, KEYS + route.path, route.handler) for route in hooks.key_routes()),
            web.get("/plugins/servlet/applinks/whoami", repositories.whoami),
        ]

    def error(self, error: ApiError) -> Json:
        words = _WORDS.get(error.status, error.message)
        body = problem(error.status, words, _EXCEPTIONS.get(error.status, "ServiceException")).body
        assert body is not None
        return body

    def finish(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        try:
            token = self.context.identify(request)
        except ApiError:
            token = None
        if token and not response.prepared:
            response.headers["X-AUSERNAME"] = quote(token.user.login)
        return response

    def messages(self, push: Push) -> list[Message]:
        return [Message("repo:refs_changed", self.shapes.push(push))]

    def sign(self, envelope: Envelope, body: bytes) -> dict[str, str]:
        """A test connection is not signed: https://github.com/runatlantis/atlantis/issues/474"""
        secret = envelope.hook.secret
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": f"Atlassian HttpClient 4.2.0 / Bitbucket-{VERSION} / Default",
            "X-Event-Key": envelope.event,
            "X-Request-Id": envelope.guid,
        }
        if secret and envelope.event != PING:
            headers["X-Hub-Signature"] = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return headers

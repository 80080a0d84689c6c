"""GitHub Enterprise Server: REST API (2022-11-28) and webhooks.

https://docs.github.com/en/enterprise-server@latest/rest, https://docs.github.com/en/webhooks
"""

import hashlib
import hmac
import uuid
from urllib.parse import urlencode

from aiohttp import web

from sandbox.git_host.access import ApiError, Context
from sandbox.git_host.dialects.base import Dialect
from sandbox.git_host.dialects.github import events
from sandbox.git_host.dialects.github.hooks import HooksApi
from sandbox.git_host.dialects.github.keys import KeysApi
from sandbox.git_host.dialects.github.repositories import RepositoriesApi
from sandbox.git_host.dialects.github.shapes import VERSION, Shapes
from sandbox.git_host.messages import Envelope, Message
from sandbox.git_host.pushes import Push
from sandbox.git_host.records import Hook, Json

API = "/api/v3"
_DOCS = "https://docs.github.com/rest"


class GitHub(Dialect):
    """The dialect of GitHub Enterprise Server, below /api/v3."""

    kind = "github"
    roots = (API,)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.shapes = Shapes(context.address)

    def routes(self) -> list[web.RouteDef]:
        context, shapes = self.context, self.shapes
        # Statuses of a commit come before the commits, whose names may hold slashes.
        parts = (HooksApi(self, shapes), KeysApi(context, shapes), RepositoriesApi(context, shapes))
        found = [route for part in parts for route in part.routes()]
        return [web.route(route.method, API + route.path, route.handler) for route in found]

    def error(self, error: ApiError) -> Json:
        body: Json = {"message": error.message, "documentation_url": _DOCS, "status": str(error.status)}
        return body | ({"errors": error.errors} if error.errors else {})

    def finish(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        headers = response.headers
        headers["X-GitHub-Enterprise-Version"] = VERSION
        headers["X-GitHub-Request-Id"] = str(uuid.uuid4())
        headers["X-GitHub-Media-Type"] = "github.v3; format=json"
        headers["X-GitHub-Api-Version-Selected"] = request.headers.get("X-GitHub-Api-Version", "2022-11-28")
        try:
            token = self.context.identify(request)
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

    def wants(self, hook: Hook, message: Message) -> bool:
        return "*" in hook.events or super().wants(hook, message)

    def messages(self, push: Push) -> list[Message]:
        return [Message("push", payload) for payload in events.pushes(self.shapes, push)]

    def encode(self, envelope: Envelope) -> bytes:
        body = super().encode(envelope)
        return urlencode({"payload": body}).encode() if envelope.hook.content_type == "form" else body

    def sign(self, envelope: Envelope, body: bytes) -> dict[str, str]:
        """https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers"""
        hook = envelope.hook
        form = hook.content_type == "form"
        headers = {
            "Content-Type": "application/x-www-form-urlencoded" if form else "application/json",
            "User-Agent": "GitHub-Hookshot/5a0dbox",
            "X-GitHub-Delivery": envelope.guid,
            "X-GitHub-Enterprise-Host": self.context.address.host,
            "X-GitHub-Enterprise-Version": VERSION,
            "X-GitHub-Event": envelope.event,
            "X-GitHub-Hook-ID": str(hook.id),
            "X-GitHub-Hook-Installation-Target-ID": str(envelope.repository.id),
            "X-GitHub-Hook-Installation-Target-Type": "repository",
        }
        if hook.secret:
            key = hook.secret.encode()
            headers["X-Hub-Signature"] = "sha1=" + hmac.new(key, body, hashlib.sha1).hexdigest()
            headers["X-Hub-Signature-256"] = "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
        return headers

"""Gitea: REST API (v1) and webhooks. Forgejo is the same, with headers of its own beside.

https://docs.gitea.com/api/, https://docs.gitea.com/usage/webhooks
"""

import fnmatch
import hashlib
import hmac
from urllib.parse import urlencode

from aiohttp import web

from sandbox.git_host.access import ApiError, Context
from sandbox.git_host.dialects.base import Dialect
from sandbox.git_host.dialects.gitea.hooks import HooksApi
from sandbox.git_host.dialects.gitea.repositories import RepositoriesApi
from sandbox.git_host.dialects.gitea.shapes import Shapes
from sandbox.git_host.messages import Envelope, Message
from sandbox.git_host.pushes import Push
from sandbox.git_host.records import Hook, Json

API = "/api/v1"
_WORDS = {
    401: "invalid username, password or token",
    404: "The target couldn't be found.",
}


class Gitea(Dialect):
    """The dialect of Gitea, below /api/v1."""

    kind = "gitea"
    roots = (API,)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.shapes = Shapes(context.address)

    def routes(self) -> list[web.RouteDef]:
        parts = (HooksApi(self, self.shapes), RepositoriesApi(self.context, self.shapes))
        found = [route for part in parts for route in part.routes()]
        return [web.route(route.method, API + route.path, route.handler) for route in found]

    def error(self, error: ApiError) -> Json:
        message = _WORDS.get(error.status, error.message)
        return {"message": message, "url": f"{self.context.address.url}/api/swagger"}

    def messages(self, push: Push) -> list[Message]:
        return self.shapes.told(push)

    def wants(self, hook: Hook, message: Message) -> bool:
        pattern = hook.options.get("branch_filter") or "*"
        ref = str(message.payload["ref"]).removeprefix("refs/heads/")
        return super().wants(hook, message) and (pattern == "*" or fnmatch.fnmatchcase(ref, pattern))

    def encode(self, envelope: Envelope) -> bytes:
        body = super().encode(envelope)
        return urlencode({"payload": body}).encode() if envelope.hook.content_type == "form" else body

    def sign(self, envelope: Envelope, body: bytes) -> dict[str, str]:  # noqa: ARG002  the JSON is signed
        """https://docs.gitea.com/usage/webhooks#event-information

        What is signed is the JSON, of a form too; without a secret the signatures are empty.
        """
        hook = envelope.hook
        form = hook.content_type == "form"
        headers = {
            "Content-Type": "application/x-www-form-urlencoded" if form else "application/json",
            "User-Agent": "Go-http-client/1.1",
        }
        for name in ("GitHub", "Gogs", "Gitea", *(["Forgejo"] if hook.options.get("type") == "forgejo" else [])):
            headers |= {f"X-{name}-Delivery": envelope.guid, f"X-{name}-Event": envelope.event}
            headers[f"X-{name}-Event-Type"] = envelope.event
        key, signed = hook.secret.encode(), super().encode(envelope)
        sha256 = hmac.new(key, signed, hashlib.sha256).hexdigest() if key else ""
        sha1 = hmac.new(key, signed, hashlib.sha1).hexdigest() if key else ""
        headers |= {"X-Gitea-Signature": sha256, "X-Gogs-Signature": sha256}
        headers |= {"X-Hub-Signature": f"sha1={sha1}", "X-Hub-Signature-256": f"sha256={sha256}"}
        return headers | ({"X-Forgejo-Signature": sha256} if "X-Forgejo-Event" in headers else {})

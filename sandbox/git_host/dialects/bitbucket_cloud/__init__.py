"""Bitbucket Cloud: REST API (2.0), archives and webhooks.

One host serves what is at api.bitbucket.org and bitbucket.org.
https://developer.atlassian.com/cloud/bitbucket/rest/
https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/
"""

import hashlib
import hmac

from aiohttp import web

from sandbox.git_host.access import ApiError, Context
from sandbox.git_host.dialects.base import Dialect
from sandbox.git_host.dialects.bitbucket_cloud.access import mechanism, scopes
from sandbox.git_host.dialects.bitbucket_cloud.hooks import HooksApi
from sandbox.git_host.dialects.bitbucket_cloud.repositories import RepositoriesApi
from sandbox.git_host.dialects.bitbucket_cloud.shapes import Shapes, hook_uid
from sandbox.git_host.messages import Envelope, Message
from sandbox.git_host.pushes import Push
from sandbox.git_host.records import Json

API = "/2.0"
_WORDS = {401: "Token is invalid, expired, or not supported for this endpoint."}


class BitbucketCloud(Dialect):
    """The dialect of Bitbucket Cloud, below /2.0 and /site."""

    kind = "bitbucket_cloud"
    roots = (API + "/", "/site/")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.shapes = Shapes(context.address)

    def routes(self) -> list[web.RouteDef]:
        hooks, repositories = HooksApi(self, self.shapes), RepositoriesApi(self.context, self.shapes)
        found = [route for part in (hooks, repositories) for route in part.routes()]
        return [
            *(web.route(route.method, API + route.path, route.handler) for route in found),
            web.get("/{owner}/{repo}/get/{ref:.+}.zip", repositories.archive),
            web.get("/site/ssh", repositories.host_keys),
            web.post("/site/oauth2/access_token", hooks.access_token),
        ]

    def error(self, error: ApiError) -> Json:
        body: Json = {"message": _WORDS.get(error.status, error.message)}
        for fields in error.errors:
            body["fields"] = fields
        return {"type": "error", "error": body}

    def finish(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        try:
            token = self.context.identify(request) if request.path.startswith(API) else None
        except ApiError:
            token = None
        if token:
            response.headers["X-Credential-Type"] = mechanism(request).value
            response.headers["X-OAuth-Scopes"] = ", ".join(scopes(request, token))
        return response

    def messages(self, push: Push) -> list[Message]:
        return [Message("repo:push", self.shapes.push(push))]

    def sign(self, envelope: Envelope, body: bytes) -> dict[str, str]:
        """https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/"""
        hook = envelope.hook
        headers = {
            "User-Agent": "Bitbucket-Webhooks/2.0",
            "X-Event-Key": envelope.event,
            "X-Hook-UUID": hook_uid(hook).strip("{}"),
            "X-Request-UUID": envelope.guid,
            "X-Attempt-Number": "1",
        }
        if hook.secret:
            headers["X-Hub-Signature"] = "sha256=" + hmac.new(hook.secret.encode(), body, hashlib.sha256).hexdigest()
        return headers

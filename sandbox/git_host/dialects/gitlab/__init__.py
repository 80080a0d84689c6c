"""GitLab: REST API (v4) and webhooks.

https://docs.gitlab.com/api/rest/, https://docs.gitlab.com/user/project/integrations/webhooks/
"""

import base64
import fnmatch
import hashlib
import hmac
import time
from dataclasses import replace

from aiohttp import web

from sandbox.git_host.access import ApiError, Context
from sandbox.git_host.dialects.base import Dialect
from sandbox.git_host.dialects.gitlab.hooks import HooksApi
from sandbox.git_host.dialects.gitlab.projects import ProjectsApi
from sandbox.git_host.dialects.gitlab.shapes import VERSION, Shapes, webhook_uuid
from sandbox.git_host.messages import Envelope, Message
from sandbox.git_host.pushes import Push
from sandbox.git_host.records import Hook, Json

API = "/api/v4"
PUSH, TAG_PUSH = "Push Hook", "Tag Push Hook"
_MAX_REFS_IN_A_PUSH = 3
_WORDS = {401: "401 Unauthorized", 403: "403 Forbidden", 404: "404 Not Found"}


class GitLab(Dialect):
    """The dialect of GitLab, below /api/v4."""

    kind = "gitlab"
    roots = (API,)

    def __init__(self, context: Context) -> None:
        # https://docs.gitlab.com/api/rest/authentication/
        super().__init__(replace(context, token_header="PRIVATE-TOKEN", groups_nest=True))
        self.shapes = Shapes(context.address)

    def routes(self) -> list[web.RouteDef]:
        parts = (HooksApi(self, self.shapes), ProjectsApi(self.context, self.shapes))
        found = [route for part in parts for route in part.routes()]
        return [web.route(route.method, API + route.path, route.handler) for route in found]

    def error(self, error: ApiError) -> Json:
        return {"message": _WORDS.get(error.status, error.message)}

    def messages(self, push: Push) -> list[Message]:
        # "If a single push includes changes to more than three branches or tags, ... hooks are not executed."
        # https://docs.gitlab.com/user/project/integrations/webhook_events/#push-events
        found = []
        for event, tags in ((PUSH, False), (TAG_PUSH, True)):
            changes = [change for change in push.changes if change.is_tag is tags]
            if len(changes) <= _MAX_REFS_IN_A_PUSH:
                found += [Message(event, self.shapes.push(push, change)) for change in changes]
        return found

    def wants(self, hook: Hook, message: Message) -> bool:
        if message.event == TAG_PUSH:
            return "tag_push_events" in hook.events
        pattern = hook.options.get("push_events_branch_filter") or "*"
        branch = str(message.payload["ref"]).removeprefix("refs/heads/")
        return "push_events" in hook.events and fnmatch.fnmatchcase(branch, pattern)

    def sign(self, envelope: Envelope, body: bytes) -> dict[str, str]:
        """https://docs.gitlab.com/user/project/integrations/webhooks/#signing-tokens"""
        hook = envelope.hook
        headers = {
            "User-Agent": f"GitLab/{VERSION}",
            "Idempotency-Key": envelope.guid,
            "X-Gitlab-Event": envelope.event,
            "X-Gitlab-Webhook-UUID": webhook_uuid(hook),
            "X-Gitlab-Instance": self.context.address.url,
            "X-Gitlab-Event-UUID": envelope.guid,
        }
        if hook.secret:
            headers["X-Gitlab-Token"] = hook.secret
        if token := hook.options.get("signing_token"):
            moment = str(int(time.time()))
            key = base64.b64decode(token.removeprefix("whsec_"))
            digest = hmac.digest(key, f"{envelope.guid}.{moment}.".encode() + body, hashlib.sha256)
            headers |= {"webhook-id": envelope.guid, "webhook-timestamp": moment}
            headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
        return headers

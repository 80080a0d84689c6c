"""Webhooks of projects and what was sent to them.

https://docs.gitlab.com/api/project_webhooks/
"""

import base64
import binascii
import re
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.git_host.access import READ_HOOKS, WRITE_HOOKS, ApiError, Need, answer, json_object, not_found, number
from sandbox.git_host.dialects.base import Dialect
from sandbox.git_host.dialects.gitlab.projects import page, project
from sandbox.git_host.dialects.gitlab.shapes import Shapes
from sandbox.git_host.git import ZEROS, RefUpdate
from sandbox.git_host.messages import Message
from sandbox.git_host.pushes import Push, RefChange, read_change
from sandbox.git_host.records import Hook, Json, Repository, Token, now

_MAX_HOOKS = 100
MOST_EVENTS = 20
"""A page: each comes with its whole payload."""
_EVENTS = ("push_events", "tag_push_events")
_OPTIONS = ("name", "description", "push_events_branch_filter", "branch_filter_strategy")
_TRIGGERS = {"push_events": "Push Hook", "tag_push_events": "Tag Push Hook"}


class HooksApi:
    """Handlers, one a route."""

    def __init__(self, dialect: Dialect, shapes: Shapes) -> None:
        self._dialect = dialect
        self._context = dialect.context
        self._store = dialect.context.store
        self._shapes = shapes

    def routes(self) -> list[web.RouteDef]:
        """What this part answers."""
        hooks = "/projects/{project}/hooks"
        return [
            web.get(hooks, self.hooks),
            web.post(hooks, self.create),
            web.get(hooks + "/{id}", self.get),
            web.put(hooks + "/{id}", self.update),
            web.delete(hooks + "/{id}", self.delete),
            web.post(hooks + "/{id}/test/{trigger}", self.test),
            web.get(hooks + "/{id}/events", self.events),
            web.post(hooks + "/{id}/events/{event}/resend", self.resend),
        ]

    async def hooks(self, request: web.Request) -> web.Response:
        _token, repository = project(self._context, request, READ_HOOKS)
        items, headers = page(request, self._context.address.url, self._dialect.hooks(repository))
        return answer([self._shapes.hook(hook) for hook in items], headers=headers)

    async def create(self, request: web.Request) -> web.Response:
        _token, repository = project(self._context, request, WRITE_HOOKS)
        body = await json_object(request)
        if len(self._dialect.hooks(repository)) >= _MAX_HOOKS:
            limit = f"Maximum number of project hooks ({_MAX_HOOKS}) exceeded"
            raise ApiError(422, "", body={"message": {"base": [limit]}})
        # Pushes are sent unless one says otherwise, tags only when one says so.
        fields = _fields({"push_events": True, "url": None} | body, None)
        hook = self._store.add_hook(
            repository, dialect=self._dialect.kind, active=True, content_type="json", last_response={}, **fields
        )
        return answer(self._shapes.hook(hook), 201)

    async def get(self, request: web.Request) -> web.Response:
        _token, _repository, hook = self._found(request, READ_HOOKS)
        return answer(self._shapes.hook(hook))

    async def update(self, request: web.Request) -> web.Response:
        _token, repository, hook = self._found(request, WRITE_HOOKS)
        self._store.update_hook(hook, updated_at=now(), **_fields(await json_object(request), hook))
        changed = self._dialect.hook(repository, hook.id)
        if changed is None:
            raise not_found()
        return answer(self._shapes.hook(changed))

    async def delete(self, request: web.Request) -> web.Response:
        _token, _repository, hook = self._found(request, WRITE_HOOKS)
        self._store.delete_hook(hook)
        return web.Response(status=204)

    async def test(self, request: web.Request) -> web.Response:
        """https://docs.gitlab.com/api/project_webhooks/#trigger-a-test-project-webhook

        What is sent looks like the last push to the default branch: GitLab has no ping.
        """
        token, repository, hook = self._found(request, WRITE_HOOKS)
        event = _TRIGGERS.get(request.match_info["trigger"])
        if event is None:
            raise ApiError(400, "", body={"error": "trigger does not have a valid value"})
        change = await self._sample(repository)
        if change is None:
            raise ApiError(422, "", body={"message": "Ensure the project has at least one commit."})
        push = Push(repository, self._store.user(repository.owner), token.user, (change,))
        code = await self._context.webhooks.send_now(
            repository, hook, Message(event, self._shapes.push(push, change)), self._dialect
        )
        if not 200 <= code < 300:
            raise ApiError(422, "", body={"message": f"Hook executed but returned HTTP {code}" if code else "Timeout"})
        return answer({"message": "201 Created"}, 201)

    async def _sample(self, repository: Repository) -> RefChange | None:
        git, ref = self._context.git(repository), f"refs/heads/{repository.default_branch}"
        sha = (await git.refs(ref)).get(ref)
        if sha is None:
            return None
        parents = (await git.commit(sha)).parents
        return await read_change(git, RefUpdate(parents[0] if parents else ZEROS, sha, ref))

    async def events(self, request: web.Request) -> web.Response:
        _token, _repository, hook = self._found(request, READ_HOOKS)
        if not 1 <= number(request.query.get("per_page", "20")) <= MOST_EVENTS:
            raise ApiError(400, "", body={"error": "per_page does not have a valid value"})
        found = self._store.hook_deliveries(hook, limit=1000)
        items, headers = page(request, self._context.address.url, found)
        return answer([self._shapes.hook_event(one) for one in items], headers=headers)

    async def resend(self, request: web.Request) -> web.Response:
        _token, repository, hook = self._found(request, WRITE_HOOKS)
        delivery = self._store.hook_delivery(hook, number(request.match_info["event"]))
        if delivery is None:
            raise not_found()
        code = await self._context.webhooks.send_again_now(repository, hook, delivery, self._dialect)
        return answer({"response_status": code or "internal error"}, 201)

    def _found(self, request: web.Request, need: Need) -> tuple[Token, Repository, Hook]:
        token, repository = project(self._context, request, need)
        hook = self._dialect.hook(repository, number(request.match_info["id"]))
        if hook is None:
            raise not_found()
        return token, repository, hook


def _fields(body: Json, hook: Hook | None) -> dict[str, Any]:
    """The columns that a body sets, of a new webhook or an existing one. Raises ApiError."""
    fields: dict[str, Any] = {}
    if "url" in body:
        url = urlsplit(str(body["url"] or ""))
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ApiError(422, "", body={"message": {"url": ["is blocked: Only allowed schemes are http, https"]}})
        fields["url"] = body["url"]
    before = set(hook.events) if hook else set()
    fields["events"] = [one for one in _EVENTS if body.get(one, one in before) is True]
    options: Json = dict(hook.options) if hook else {}
    options |= {name: body[name] for name in _OPTIONS if name in body}
    if signing := str(body.get("signing_token") or ""):
        options["signing_token"] = _signing_token(signing)
    fields["options"] = options
    if hook is None or "enable_ssl_verification" in body:
        fields["insecure_ssl"] = body.get("enable_ssl_verification", True) is False
    if hook is None or "token" in body:
        fields["secret"] = str(body.get("token") or "")
    return fields


def _signing_token(token: str) -> str:
    """A token as GitLab takes it: 32 bytes. https://gitlab.com/gitlab-org/gitlab/-/merge_requests/231325"""
    match = re.fullmatch(r"whsec_(.+)", token)
    try:
        valid = match is not None and len(base64.b64decode(match[1], validate=True)) == 32
    except binascii.Error:
        valid = False
    if not valid:
        raise ApiError(422, "", body={"message": {"signing_token": ["must be a whsec_ token of 32 bytes"]}})
    return token

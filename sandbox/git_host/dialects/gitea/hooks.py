"""Webhooks and deploy keys of repositories. https://docs.gitea.com/api/"""

from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.git_host.access import (
    READ_HOOKS,
    READ_KEYS,
    WRITE_HOOKS,
    WRITE_KEYS,
    ApiError,
    Need,
    answer,
    json_object,
    not_found,
    number,
)
from sandbox.git_host.dialects.base import Dialect
from sandbox.git_host.dialects.gitea.repositories import page
from sandbox.git_host.dialects.gitea.shapes import Shapes
from sandbox.git_host.messages import Message
from sandbox.git_host.pushes import Push
from sandbox.git_host.records import DeployKey, Hook, Json, Repository, Token, fingerprint, now
from sandbox.git_host.store import KeyTaken

_EVENTS = frozenset({"push", "create", "delete", "release", "pull_request"})
_TYPES = frozenset({"gitea", "forgejo", "gogs"})


class HooksApi:
    """Handlers, one a route."""

    def __init__(self, dialect: Dialect, shapes: Shapes) -> None:
        self._dialect = dialect
        self._context = dialect.context
        self._store = dialect.context.store
        self._shapes = shapes

    def routes(self) -> list[web.RouteDef]:
        """What this part answers, below /api/v1."""
        one = "/repos/{owner}/{repo}"
        return [
            web.get(one + "/hooks", self.hooks),
            web.post(one + "/hooks", self.create),
            web.get(one + "/hooks/{id}", self.get),
            web.patch(one + "/hooks/{id}", self.update),
            web.delete(one + "/hooks/{id}", self.delete),
            web.post(one + "/hooks/{id}/tests", self.test),
            web.get(one + "/keys", self.deploy_keys),
            web.post(one + "/keys", self.add_deploy_key),
            web.get(one + "/keys/{id}", self.deploy_key),
            web.delete(one + "/keys/{id}", self.delete_deploy_key),
        ]

    async def hooks(self, request: web.Request) -> web.Response:
        _token, found = self._open(request, READ_HOOKS)
        items, headers = page(request, self._context, self._dialect.hooks(found))
        return answer([self._shapes.hook(hook) for hook in items], headers=headers)

    async def create(self, request: web.Request) -> web.Response:
        _token, found = self._open(request, WRITE_HOOKS)
        body = await json_object(request)
        config = body.get("config")
        if body.get("type") not in _TYPES:
            raise ApiError(422, "Invalid hook type")
        if not isinstance(config, dict) or not config.get("url") or not config.get("content_type"):
            raise ApiError(422, "Missing config option: url or content_type")
        fields: dict[str, Any] = {"secret": "", "insecure_ssl": False} | _fields({"events": ["push"], **body}, {})
        hook = self._store.add_hook(found, dialect=self._dialect.kind, last_response={}, **fields)
        return answer(self._shapes.hook(hook), 201)

    async def get(self, request: web.Request) -> web.Response:
        _token, _found, hook = self._hook(request, READ_HOOKS)
        return answer(self._shapes.hook(hook))

    async def update(self, request: web.Request) -> web.Response:
        _token, found, hook = self._hook(request, WRITE_HOOKS)
        fields = _fields({"active": hook.active, **await json_object(request)}, hook.options)
        self._store.update_hook(hook, updated_at=now(), **fields)
        changed = self._dialect.hook(found, hook.id)
        if changed is None:
            raise not_found()
        return answer(self._shapes.hook(changed))

    async def delete(self, request: web.Request) -> web.Response:
        _token, _found, hook = self._hook(request, WRITE_HOOKS)
        self._store.delete_hook(hook)
        return web.Response(status=204)

    async def test(self, request: web.Request) -> web.Response:
        """Sends a push of the default branch's head to itself; nothing of an empty repository."""
        token, found, hook = self._hook(request, WRITE_HOOKS)
        ref = f"refs/heads/{found.default_branch}"
        sha = (await self._context.git(found).refs(ref)).get(ref)
        if sha is not None:
            push = Push(found, self._store.user(found.owner), token.user, ())
            commit = await self._context.git(found).commit(sha)
            self._dialect.send(found, hook, Message("push", self._shapes.test(push, commit)))
        return web.Response(status=204)

    def _open(self, request: web.Request, need: Need) -> tuple[Token, Repository]:
        """As `Context.sender`; who sees the repository and may not administrate it gets 403."""
        try:
            return self._context.sender(request, need)
        except ApiError as error:
            found = self._store.repository(request.match_info["owner"], request.match_info["repo"])
            if error.status == 404 and found and self._context.may_see(self._context.identify(request), found):
                raise ApiError(
                    403, "user should be an owner or a collaborator with admin write of a repository"
                ) from None
            raise

    def _hook(self, request: web.Request, need: Need) -> tuple[Token, Repository, Hook]:
        token, found = self._open(request, need)
        hook = self._dialect.hook(found, number(request.match_info["id"]))
        if hook is None:
            raise not_found()
        return token, found, hook

    async def deploy_keys(self, request: web.Request) -> web.Response:
        _token, found = self._open(request, READ_KEYS)
        items, headers = page(request, self._context, self._store.deploy_keys(found))
        return answer([self._shapes.deploy_key(found, key) for key in items], headers=headers)

    async def add_deploy_key(self, request: web.Request) -> web.Response:
        """A key, and a title, can be in a repository once."""
        token, found = self._open(request, WRITE_KEYS)
        body = await json_object(request)
        title, text = str(body.get("title") or ""), str(body.get("key") or "")
        try:
            mark = fingerprint(text)
        except ValueError as error:
            raise ApiError(422, f"Invalid key content: {error}") from None
        there = self._store.deploy_keys(found)
        if any(key.fingerprint == mark for key in there):
            raise ApiError(422, "This key has already been added to this repository")
        if any(key.title == title for key in there):
            raise ApiError(422, "A key with the same name already exists")
        try:
            key = self._store.add_deploy_key(
                found,
                title=title,
                key=text,
                read_only=bool(body.get("read_only", False)),
                added_by=token.user.login,
            )
        except KeyTaken:
            raise ApiError(422, "Key content has been used as non-deploy key") from None
        return answer(self._shapes.deploy_key(found, key), 201)

    async def deploy_key(self, request: web.Request) -> web.Response:
        found, key = self._key(request, READ_KEYS)
        return answer(self._shapes.deploy_key(found, key))

    async def delete_deploy_key(self, request: web.Request) -> web.Response:
        _found, key = self._key(request, WRITE_KEYS)
        self._store.delete_deploy_key(key)
        return web.Response(status=204)

    def _key(self, request: web.Request, need: Need) -> tuple[Repository, DeployKey]:
        _token, found = self._open(request, need)
        wanted = number(request.match_info["id"])
        for key in self._store.deploy_keys(found):
            if key.id == wanted:
                return found, key
        raise not_found()


def _fields(body: Json, options: Json) -> dict[str, Any]:
    """The columns that a body sets. Raises ApiError."""
    fields: dict[str, Any] = {"active": body.get("active", False) is True}
    config = body.get("config")
    if isinstance(config, dict):
        if "url" in config:
            url = urlsplit(str(config["url"]))
            if url.scheme not in {"http", "https"} or not url.hostname:
                raise ApiError(422, "Invalid url")
            fields["url"] = config["url"]
        if "content_type" in config:
            if config["content_type"] not in {"json", "form"}:
                raise ApiError(422, "Invalid content type")
            fields["content_type"] = config["content_type"]
        if "secret" in config:
            fields["secret"] = str(config["secret"] or "")
    if "events" in body:
        # Unknown ones are dropped without a word.
        fields["events"] = [event for event in body["events"] or [] if event in _EVENTS]
    return fields | {"options": options | {name: body[name] for name in ("type", "branch_filter") if name in body}}

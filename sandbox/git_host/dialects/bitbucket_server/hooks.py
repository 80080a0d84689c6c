"""Webhooks, access keys and build statuses of repositories.

https://confluence.atlassian.com/bitbucketserver/manage-webhooks-938025878.html
"""

from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.git_host.access import (
    READ_HOOKS,
    READ_KEYS,
    WRITE_HOOKS,
    WRITE_KEYS,
    WRITE_STATUSES,
    ApiError,
    Need,
    answer,
    json_object,
    number,
)
from sandbox.git_host.dialects.base import Dialect
from sandbox.git_host.dialects.bitbucket_server.access import paged, problem, repository
from sandbox.git_host.dialects.bitbucket_server.shapes import Shapes
from sandbox.git_host.messages import Message
from sandbox.git_host.records import DeployKey, Hook, Json, Repository, fingerprint, now
from sandbox.git_host.store import KeyTaken

PING = "diagnostics:ping"
_STATES = frozenset({"SUCCESSFUL", "FAILED", "INPROGRESS", "CANCELLED", "UNKNOWN"})


class HooksApi:
    """Handlers, one a route."""

    def __init__(self, dialect: Dialect, shapes: Shapes) -> None:
        self._dialect = dialect
        self._context = dialect.context
        self._store = dialect.context.store
        self._shapes = shapes

    def routes(self) -> list[web.RouteDef]:
        """What this part answers, below /rest/api/<version>."""
        one = "/projects/{key}/repos/{repo}"
        return [
            web.get(one + "/webhooks", self.hooks),
            web.post(one + "/webhooks", self.create),
            web.post(one + "/webhooks/test", self.test),
            web.get(one + "/webhooks/{id}", self.get),
            web.put(one + "/webhooks/{id}", self.update),
            web.delete(one + "/webhooks/{id}", self.delete),
            web.post(one + "/commits/{sha}/builds", self.add_status),
            web.get(one + "/commits/{sha}/builds", self.status),
        ]

    def key_routes(self) -> list[web.RouteDef]:
        """What this part answers, below /rest/keys/<version>."""
        keys = "/projects/{key}/repos/{repo}/ssh"
        return [
            web.get(keys, self.access_keys),
            web.post(keys, self.add_access_key),
            web.get(keys + "/{id}", self.access_key),
            web.delete(keys + "/{id}", self.delete_access_key),
        ]

    async def hooks(self, request: web.Request) -> web.Response:
        _token, found = repository(self._context, request, READ_HOOKS)
        return answer(paged(request, [self._shapes.hook(hook) for hook in self._dialect.hooks(found)]))

    async def create(self, request: web.Request) -> web.Response:
        _token, found = repository(self._context, request, WRITE_HOOKS)
        fields = _fields(await json_object(request))
        hook = self._store.add_hook(found, dialect=self._dialect.kind, content_type="json", last_response={}, **fields)
        return answer(self._shapes.hook(hook), 201)

    async def get(self, request: web.Request) -> web.Response:
        _found, hook = self._hook(request, request.match_info["id"], READ_HOOKS)
        return answer(self._shapes.hook(hook))

    async def update(self, request: web.Request) -> web.Response:
        found, hook = self._hook(request, request.match_info["id"], WRITE_HOOKS)
        self._store.update_hook(hook, updated_at=now(), **_fields(await json_object(request)))
        changed = self._dialect.hook(found, hook.id)
        if changed is None:
            raise self._no_hook(str(hook.id))
        return answer(self._shapes.hook(changed))

    async def delete(self, request: web.Request) -> web.Response:
        _found, hook = self._hook(request, request.match_info["id"], WRITE_HOOKS)
        self._store.delete_hook(hook)
        return web.Response(status=204)

    async def test(self, request: web.Request) -> web.Response:
        """Sends diagnostics:ping, and answers with what came back."""
        found, hook = self._hook(request, request.query.get("webhookId", ""), WRITE_HOOKS)
        code = await self._context.webhooks.send_now(found, hook, Message(PING, {"test": True}), self._dialect)
        outcome = "SUCCESS" if 200 <= code < 300 else "FAILURE" if code else "ERROR"
        sent = {"url": request.query.get("url", hook.url), "method": "POST"}
        return answer({"request": sent, "result": {"outcome": outcome, "description": str(code)}})

    def _hook(self, request: web.Request, wanted: str, need: Need) -> tuple[Repository, Hook]:
        _token, found = repository(self._context, request, need)
        hook = self._dialect.hook(found, number(wanted))
        if hook is None:
            raise self._no_hook(wanted)
        return found, hook

    def _no_hook(self, wanted: str) -> ApiError:
        words = f"No webhook exists with ID {wanted}"
        return problem(404, words, "webhook.NoSuchWebhookException")

    async def access_keys(self, request: web.Request) -> web.Response:
        _token, found = repository(self._context, request, READ_KEYS)
        return answer(paged(request, [self._shapes.access_key(found, key) for key in self._store.deploy_keys(found)]))

    async def add_access_key(self, request: web.Request) -> web.Response:
        """https://confluence.atlassian.com/bitbucketserver/ssh-access-keys-for-system-use-776639781.html"""
        token, found = repository(self._context, request, WRITE_KEYS)
        body = await json_object(request)
        given = body.get("key")
        text = str(given.get("text") or "") if isinstance(given, dict) else ""
        label = str(given.get("label") or "") if isinstance(given, dict) else ""
        try:
            mark = fingerprint(text)
        except ValueError:
            raise problem(400, "The SSH key is not valid", "ssh.InvalidSshKeyException", "text") from None
        if any(key.fingerprint == mark for key in self._store.deploy_keys(found)):
            words = "The SSH key has already been added to this repository"
            raise problem(409, words, "ssh.DuplicateSshAccessKeyException", "text")
        if body.get("permission") not in {"REPO_READ", "REPO_WRITE"}:
            raise problem(400, "permission must be REPO_READ or REPO_WRITE", "ValidationException", "permission")
        try:
            key = self._store.add_deploy_key(
                found,
                title=label,
                key=text,
                read_only=body["permission"] == "REPO_READ",
                added_by=token.user.login,
            )
        except KeyTaken:
            words = "The SSH key is already in use"
            raise problem(409, words, "ssh.DuplicateSshKeyException", "text") from None
        return answer(self._shapes.access_key(found, key), 201)

    async def access_key(self, request: web.Request) -> web.Response:
        found, key = self._key(request, READ_KEYS)
        return answer(self._shapes.access_key(found, key))

    async def delete_access_key(self, request: web.Request) -> web.Response:
        _found, key = self._key(request, WRITE_KEYS)
        self._store.delete_deploy_key(key)
        return web.Response(status=204)

    def _key(self, request: web.Request, need: Need) -> tuple[Repository, DeployKey]:
        _token, found = repository(self._context, request, need)
        wanted = number(request.match_info["id"])
        for key in self._store.deploy_keys(found):
            if key.id == wanted:
                return found, key
        raise problem(404, f"No SSH key exists with ID {wanted}", "ssh.NoSuchSshKeyException")

    async def add_status(self, request: web.Request) -> web.Response:
        """https://developer.atlassian.com/server/bitbucket/how-tos/updating-build-status-for-commits/"""
        token, found = repository(self._context, request, WRITE_STATUSES)
        body = await json_object(request)
        sha = request.match_info["sha"]
        if await self._context.git(found).resolve(sha) != sha:
            raise problem(404, f"Commit '{sha}' does not exist.", "commit.NoSuchCommitException")
        for field in ("key", "state", "url"):
            if not body.get(field):
                raise problem(400, f"{field} is required", "ValidationException", field)
        if body["state"] not in _STATES:
            raise problem(400, f"{body['state']} is no build state", "ValidationException", "state")
        self._store.add_status(
            found,
            sha=sha,
            state=body["state"],
            context=str(body["key"]),
            target_url=body["url"],
            description=body.get("description"),
            creator=token.user.login,
        )
        return web.Response(status=204)

    async def status(self, request: web.Request) -> web.Response:
        _token, found = repository(self._context, request, WRITE_STATUSES)
        wanted = request.query.get("key", "")
        for status in self._store.statuses(found, request.match_info["sha"]):
            if status.context == wanted:
                body: Json = {"key": status.context, "state": status.state, "url": status.target_url}
                return answer(body | {"description": status.description})
        raise problem(404, f"No build status with the key {wanted}", "build.NoSuchBuildStatusException")


def _fields(body: Json) -> dict[str, Any]:
    """The columns that a body sets; it is always the whole webhook. Raises ApiError."""
    url = urlsplit(str(body.get("url") or ""))
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise problem(400, "The URL is not valid", "ValidationException", "url")
    events = body.get("events")
    if not isinstance(events, list) or not events:
        raise problem(400, "At least one event must be selected", "ValidationException", "events")
    if not body.get("name"):
        raise problem(400, "A name is required", "ValidationException", "name")
    configuration = body.get("configuration")
    return {
        "url": body["url"],
        "events": [str(event) for event in events],
        "active": body.get("active", True) is True,
        "insecure_ssl": body.get("sslVerificationRequired", True) is False,
        "secret": str(configuration.get("secret") or "") if isinstance(configuration, dict) else "",
        "options": {"name": str(body["name"])},
    }

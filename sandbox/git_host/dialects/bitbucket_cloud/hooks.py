"""Webhooks, access keys and build statuses of repositories, and tokens of OAuth consumers.

https://developer.atlassian.com/cloud/bitbucket/rest/api-group-repositories/#api-repositories-workspace-repo-slug-hooks-get
"""

import base64
import binascii
import secrets
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.git_host.access import (
    CONTENTS,
    DELETE_HOOKS,
    READ_HOOKS,
    READ_KEYS,
    WRITE_HOOKS,
    WRITE_KEYS,
    WRITE_STATUSES,
    ApiError,
    Need,
    answer,
    json_object,
    not_found,
    number,
)
from sandbox.git_host.dialects.base import Dialect
from sandbox.git_host.dialects.bitbucket_cloud.access import OAUTH_PREFIX, paged
from sandbox.git_host.dialects.bitbucket_cloud.shapes import Shapes, hook_uid
from sandbox.git_host.records import DeployKey, Hook, Json, Repository, fingerprint, now
from sandbox.git_host.store import KeyTaken

_MAX_HOOKS = 50
_MAX_STATUS_KEY = 40
_STATES = frozenset({"SUCCESSFUL", "FAILED", "INPROGRESS", "STOPPED"})
_SECONDS_OF_A_TOKEN = 7200


class HooksApi:
    """Handlers, one a route."""

    def __init__(self, dialect: Dialect, shapes: Shapes) -> None:
        self._dialect = dialect
        self._context = dialect.context
        self._store = dialect.context.store
        self._shapes = shapes

    def routes(self) -> list[web.RouteDef]:
        """What this part answers, below /2.0."""
        one = "/repositories/{owner}/{repo}"
        return [
            web.get(one + "/hooks", self.hooks),
            web.post(one + "/hooks", self.create),
            web.get(one + "/hooks/{uid:[^/]+}", self.get),
            web.put(one + "/hooks/{uid:[^/]+}", self.update),
            web.delete(one + "/hooks/{uid:[^/]+}", self.delete),
            web.get(one + "/deploy-keys", self.deploy_keys),
            web.post(one + "/deploy-keys", self.add_deploy_key),
            web.get(one + "/deploy-keys/{id}", self.deploy_key),
            web.delete(one + "/deploy-keys/{id}", self.delete_deploy_key),
            web.post(one + "/commit/{sha}/statuses/build", self.add_status),
            web.get(one + "/commit/{sha}/statuses", self.statuses),
        ]

    async def hooks(self, request: web.Request) -> web.Response:
        _token, repository = self._context.sender(request, READ_HOOKS)
        found = [self._shapes.hook(repository, hook) for hook in self._dialect.hooks(repository)]
        return answer(paged(request, self._context, found))

    async def create(self, request: web.Request) -> web.Response:
        _token, repository = self._context.sender(request, WRITE_HOOKS)
        body = await json_object(request)
        if len(self._dialect.hooks(repository)) >= _MAX_HOOKS:
            raise ApiError(400, f"The limit of {_MAX_HOOKS} hooks per repository has been reached.")
        fields = _fields(body) | {"secret": str(body.get("secret") or "")}
        hook = self._store.add_hook(
            repository, dialect=self._dialect.kind, content_type="json", last_response={}, **fields
        )
        return answer(self._shapes.hook(repository, hook), 201)

    async def get(self, request: web.Request) -> web.Response:
        repository, hook = self._hook(request, READ_HOOKS)
        return answer(self._shapes.hook(repository, hook))

    async def update(self, request: web.Request) -> web.Response:
        repository, hook = self._hook(request, WRITE_HOOKS)
        body = await json_object(request)
        # Without the field the secret stays; null or an empty one takes it away.
        secret = {"secret": str(body["secret"] or "")} if "secret" in body else {}
        self._store.update_hook(hook, updated_at=now(), **_fields(body), **secret)
        changed = self._dialect.hook(repository, hook.id)
        if changed is None:
            raise not_found()
        return answer(self._shapes.hook(repository, changed))

    async def delete(self, request: web.Request) -> web.Response:
        _repository, hook = self._hook(request, DELETE_HOOKS)
        self._store.delete_hook(hook)
        return web.Response(status=204)

    def _hook(self, request: web.Request, need: Need) -> tuple[Repository, Hook]:
        _token, repository = self._context.sender(request, need)
        wanted = request.match_info["uid"].strip("{}")
        for hook in self._dialect.hooks(repository):
            if hook_uid(hook).strip("{}") == wanted:
                return repository, hook
        raise ApiError(404, f"Webhook {wanted} does not exist")

    async def deploy_keys(self, request: web.Request) -> web.Response:
        _token, repository = self._context.sender(request, READ_KEYS)
        found = [self._shapes.deploy_key(repository, key) for key in self._store.deploy_keys(repository)]
        return answer(paged(request, self._context, found))

    async def add_deploy_key(self, request: web.Request) -> web.Response:
        """Access keys only ever read."""
        token, repository = self._context.sender(request, WRITE_KEYS)
        body = await json_object(request)
        text = str(body.get("key") or "")
        try:
            mark = fingerprint(text)
        except ValueError:
            raise ApiError(400, "That SSH key is invalid.") from None
        if any(key.fingerprint == mark for key in self._store.deploy_keys(repository)):
            raise ApiError(400, "Someone has already added that access key to this repository.")
        try:
            key = self._store.add_deploy_key(
                repository,
                title=str(body.get("label") or ""),
                key=text,
                read_only=True,
                added_by=token.user.login,
            )
        except KeyTaken:
            raise ApiError(400, "Someone has already registered that SSH key.") from None
        return answer(self._shapes.deploy_key(repository, key))

    async def deploy_key(self, request: web.Request) -> web.Response:
        repository, key = self._key(request, READ_KEYS)
        return answer(self._shapes.deploy_key(repository, key))

    async def delete_deploy_key(self, request: web.Request) -> web.Response:
        _repository, key = self._key(request, WRITE_KEYS)
        self._store.delete_deploy_key(key)
        return web.Response(status=204)

    def _key(self, request: web.Request, need: Need) -> tuple[Repository, DeployKey]:
        _token, repository = self._context.sender(request, need)
        wanted = number(request.match_info["id"])
        for key in self._store.deploy_keys(repository):
            if key.id == wanted:
                return repository, key
        raise not_found()

    async def add_status(self, request: web.Request) -> web.Response:
        """https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses/"""
        token, repository = self._context.sender(request, WRITE_STATUSES)
        body = await json_object(request)
        sha = await self._sha(repository, request)
        key, url = str(body.get("key") or ""), str(body.get("url") or "")
        wrong: Json = {}
        if not 0 < len(key) <= _MAX_STATUS_KEY:
            wrong["key"] = ["required, of 40 characters at most"]
        if body.get("state") not in _STATES:
            wrong["state"] = [f"{body.get('state')!r} is not a valid choice"]
        if not urlsplit(url).hostname:
            wrong["url"] = ["Enter a valid URL."]
        if wrong:
            raise ApiError(400, "Bad request", [wrong])
        there = any(one.context == key for one in self._store.statuses(repository, sha))
        status = self._store.add_status(
            repository,
            sha=sha,
            state=body["state"],
            context=key,
            target_url=url,
            description=body.get("description"),
            creator=token.user.login,
        )
        return answer(self._shapes.status(status, str(body.get("name") or key)), 200 if there else 201)

    async def statuses(self, request: web.Request) -> web.Response:
        _token, repository = self._context.sender(request, CONTENTS)
        oldest_first = reversed(self._store.statuses(repository, await self._sha(repository, request)))
        newest = {one.context: one for one in oldest_first}
        found = [self._shapes.status(one, one.context) for one in newest.values()]
        return answer(paged(request, self._context, found))

    async def _sha(self, repository: Repository, request: web.Request) -> str:
        named = request.match_info["sha"]
        sha = await self._context.git(repository).resolve(named)
        if sha is None:
            raise ApiError(404, f"Commit not found: {named}")
        return sha

    async def access_token(self, request: web.Request) -> web.Response:
        """`/site/oauth2/access_token`: the client credentials grant of a private consumer.

        https://developer.atlassian.com/cloud/bitbucket/oauth-2/
        """
        kind, _, rest = request.headers.get("Authorization", "").partition(" ")
        try:
            key, _, given = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            key = given = ""
        user = self._store.oauth_user(key, given) if kind.lower() == "basic" else None
        if user is None:
            words = {"error": "unauthorized_client", "error_description": "Invalid OAuth client credentials"}
            raise ApiError(400, "", body=words)
        if (await request.post()).get("grant_type") != "client_credentials":
            raise ApiError(400, "", body={"error": "unsupported_grant_type"})
        made = self._store.create_token(user.login, token=OAUTH_PREFIX + secrets.token_urlsafe(24))
        return answer(
            {
                "access_token": made,
                "token_type": "bearer",
                "scopes": "account repository:admin webhook",
                "expires_in": _SECONDS_OF_A_TOKEN,
                "state": "client_credentials",
            }
        )


def _fields(body: Json) -> dict[str, Any]:
    """The columns that a body sets. Raises ApiError."""
    url = urlsplit(str(body.get("url") or ""))
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ApiError(400, "Bad request", [{"url": ["Enter a valid URL."]}])
    events = body.get("events")
    if not isinstance(events, list) or not events:
        raise ApiError(400, "Bad request", [{"events": ["required key not provided"]}])
    return {
        "url": body["url"],
        "events": [str(event) for event in events],
        "active": body.get("active", True) is True,
        "insecure_ssl": body.get("skip_cert_verification", False) is True,
        "options": {"description": str(body.get("description") or "")},
    }

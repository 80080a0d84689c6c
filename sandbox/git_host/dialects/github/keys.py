"""Deploy keys, people's SSH keys and commit statuses.

https://docs.github.com/en/rest/deploy-keys, https://docs.github.com/en/rest/commits/statuses
"""

import re

from aiohttp import web

from sandbox.git_host.access import (
    READ_KEYS,
    READ_STATUSES,
    WRITE_KEYS,
    WRITE_STATUSES,
    ApiError,
    Context,
    Need,
    answer,
    invalid,
    json_object,
    not_found,
    number,
    page_of,
)
from sandbox.git_host.dialects.github.shapes import Shapes
from sandbox.git_host.records import DeployKey, Repository, Token, UserKey
from sandbox.git_host.store import KeyTaken

_STATES = frozenset({"error", "failure", "pending", "success"})
_SHA = re.compile(r"[0-9a-f]{40}")
_NOT_A_KEY = "key is invalid. You must supply a key in OpenSSH public key format"


class KeysApi:
    """Handlers, one a route."""

    def __init__(self, context: Context, shapes: Shapes) -> None:
        self._context = context
        self._store = context.store
        self._shapes = shapes

    def routes(self) -> list[web.RouteDef]:
        """What this part answers."""
        repo = "/repos/{owner}/{repo}"
        return [
            web.get(repo + "/keys", self.deploy_keys),
            web.post(repo + "/keys", self.add_deploy_key),
            web.get(repo + "/keys/{id}", self.deploy_key),
            web.delete(repo + "/keys/{id}", self.delete_deploy_key),
            web.get("/user/keys", self.user_keys),
            web.post("/user/keys", self.add_user_key),
            web.delete("/user/keys/{id}", self.delete_user_key),
            web.post(repo + "/statuses/{sha}", self.add_status),
            web.get(repo + "/commits/{ref}/statuses", self.statuses),
            web.get(repo + "/commits/{ref}/status", self.combined_status),
        ]

    async def deploy_keys(self, request: web.Request) -> web.Response:
        _token, repository = self._context.sender(request, READ_KEYS)
        items, headers = page_of(request, self._shapes.url, self._store.deploy_keys(repository))
        return answer([self._shapes.deploy_key(repository, key) for key in items], headers=headers)

    async def add_deploy_key(self, request: web.Request) -> web.Response:
        token, repository = self._context.sender(request, WRITE_KEYS)
        body = await json_object(request)
        if not repository.deploy_keys_enabled:
            raise ApiError(422, "Deploy keys are disabled for this repository")
        try:
            key = self._store.add_deploy_key(
                repository,
                title=str(body.get("title") or ""),
                key=str(body.get("key") or ""),
                read_only=bool(body.get("read_only", False)),
                added_by=token.user.login,
            )
        except KeyTaken:
            raise invalid("PublicKey", "key is already in use", "key") from None
        except ValueError:
            raise invalid("PublicKey", _NOT_A_KEY, "key") from None
        shape = self._shapes.deploy_key(repository, key)
        return answer(shape, 201, {"Location": shape["url"]})

    async def deploy_key(self, request: web.Request) -> web.Response:
        repository, key = self._found(request, READ_KEYS)
        return answer(self._shapes.deploy_key(repository, key))

    async def delete_deploy_key(self, request: web.Request) -> web.Response:
        _repository, key = self._found(request, WRITE_KEYS)
        self._store.delete_deploy_key(key)
        return web.Response(status=204)

    async def user_keys(self, request: web.Request) -> web.Response:
        token = self._key_owner(request, "read:public_key", "write:public_key", "admin:public_key")
        items, headers = page_of(request, self._shapes.url, self._store.user_keys(token.user))
        return answer([self._shapes.user_key(key) for key in items], headers=headers)

    async def add_user_key(self, request: web.Request) -> web.Response:
        token = self._key_owner(request, "write:public_key", "admin:public_key")
        body = await json_object(request)
        try:
            key = self._store.add_user_key(
                token.user, title=str(body.get("title") or ""), key=str(body.get("key") or "")
            )
        except KeyTaken:
            raise invalid("PublicKey", "key is already in use", "key") from None
        except ValueError:
            raise invalid("PublicKey", _NOT_A_KEY, "key") from None
        return answer(self._shapes.user_key(key), 201)

    async def delete_user_key(self, request: web.Request) -> web.Response:
        token = self._key_owner(request, "admin:public_key")
        wanted = number(request.match_info["id"])
        found: list[UserKey] = [key for key in self._store.user_keys(token.user) if key.id == wanted]
        if not found:
            raise not_found()
        self._store.delete_user_key(found[0])
        return web.Response(status=204)

    async def add_status(self, request: web.Request) -> web.Response:
        token, repository = self._context.sender(request, WRITE_STATUSES)
        body = await json_object(request)
        sha = request.match_info["sha"]
        if not _SHA.fullmatch(sha) or await self._context.git(repository).resolve(sha) != sha:
            raise ApiError(422, f"No commit found for SHA: {sha}")
        if body.get("state") not in _STATES:
            raise invalid("Status", "state is not included in the list", "state")
        status = self._store.add_status(
            repository,
            sha=sha,
            state=body["state"],
            context=str(body.get("context") or "default"),
            target_url=body.get("target_url"),
            description=body.get("description"),
            creator=token.user.login,
        )
        return answer(self._shapes.status(repository, status, token.user), 201)

    async def statuses(self, request: web.Request) -> web.Response:
        repository, sha = await self._commit(request)
        items, headers = page_of(request, self._shapes.url, self._store.statuses(repository, sha))
        found = [self._shapes.status(repository, one, self._store.user(one.creator)) for one in items]
        return answer(found, headers=headers)

    async def combined_status(self, request: web.Request) -> web.Response:
        repository, sha = await self._commit(request)
        return answer(self._shapes.combined_status(repository, sha, self._store.statuses(repository, sha)))

    async def _commit(self, request: web.Request) -> tuple[Repository, str]:
        _token, repository = self._context.open(request, READ_STATUSES)
        sha = await self._context.git(repository).resolve(request.match_info["ref"])
        if sha is None:
            raise not_found()
        return repository, sha

    def _found(self, request: web.Request, need: Need) -> tuple[Repository, DeployKey]:
        _token, repository = self._context.sender(request, need)
        wanted = number(request.match_info["id"])
        for key in self._store.deploy_keys(repository):
            if key.id == wanted:
                return repository, key
        raise not_found()

    def _key_owner(self, request: web.Request, *scopes: str) -> Token:
        token = self._context.caller(request)
        if token.fine_grained or not token.scopes & set(scopes):
            raise not_found()
        return token

"""Who calls, what they may do, and what the dialects' answers have in common."""

import json
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web

from sandbox.git_host.address import Address
from sandbox.git_host.git import GitRepository
from sandbox.git_host.records import Json, Repository, Token
from sandbox.git_host.store import Store
from sandbox.git_host.webhooks import Webhooks

_LEVELS = {"": 0, "pull": 1, "push": 2, "admin": 3}
_MAX_PAGE = 100


class ApiError(Exception):
    """An answer that is an error; each dialect words it its own way.

    Args:
        status: the HTTP status.
        message: what went wrong, in GitHub's words where several dialects share it.
        errors: GitHub's list of details of a 422.
        headers: more headers of the answer.
        body: the whole body, where the dialect has worded it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        errors: Sequence[Json] = (),
        headers: dict[str, str] | None = None,
        *,
        body: Json | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = list(errors)
        self.headers = headers or {}
        self.body = body


def not_found() -> ApiError:
    """What is missing, and what the caller may not know of."""
    return ApiError(404, "Not Found")


def invalid(resource: str, message: str, field: str | None = None, code: str = "custom") -> ApiError:
    """A 422 with one detail."""
    detail: Json = {"resource": resource, "code": code, "message": message}
    return ApiError(422, "Validation Failed", [detail | ({"field": field} if field else {})])


@dataclass(frozen=True, slots=True)
class Need:
    """What a call takes.

    Attributes:
        area: the permission of fine-grained tokens.
        access: read or write.
        level: what the caller must be to the repository: pull, push or admin.
        scopes: scopes of classic tokens that are enough beside `repo` (and `public_repo` for public ones).
    """

    area: str
    access: str = "read"
    level: str = "pull"
    scopes: frozenset[str] = frozenset()


METADATA = Need("metadata")
CONTENTS = Need("contents")
HOOK_SCOPES = frozenset({"admin:repo_hook", "write:repo_hook", "read:repo_hook"})
READ_HOOKS = Need("webhooks", "read", "admin", HOOK_SCOPES)
WRITE_HOOKS = Need("webhooks", "write", "admin", HOOK_SCOPES - {"read:repo_hook"})
DELETE_HOOKS = Need("webhooks", "write", "admin", frozenset({"admin:repo_hook"}))
READ_KEYS = Need("administration", "read", "admin")
WRITE_KEYS = Need("administration", "write", "admin")
READ_STATUSES = Need("statuses", "read", "pull", frozenset({"repo:status"}))
WRITE_STATUSES = Need("statuses", "write", "push", frozenset({"repo:status"}))
ADMINISTER = Need("administration", "write", "admin")


@dataclass(frozen=True, slots=True)
class Context:
    """What the handlers work with."""

    store: Store
    address: Address
    webhooks: Webhooks
    git: Callable[[Repository], GitRepository]
    ssh_host_key: str
    token_header: str = ""
    """Where a token may come beside Authorization."""
    groups_nest: bool = False
    """Whether repositories of groups within groups are there; not every provider has such names."""

    def identify(self, request: web.Request) -> Token | None:
        """The token of the request, or None where there is none.

        Raises:
            ApiError: 401, it is not known.
        """
        text = request.headers.get(self.token_header, "") if self.token_header else ""
        text = text or _presented(request.headers.get("Authorization", ""))
        if not text:
            return None
        token = self.store.token(text)
        if token is None:
            raise ApiError(401, "Bad credentials")
        return token

    def caller(self, request: web.Request) -> Token:
        """The token of the request.

        Raises:
            ApiError: 401, there is none or it is not known.
        """
        token = self.identify(request)
        if token is None:
            raise ApiError(401, "Requires authentication")
        return token

    def open(self, request: web.Request, need: Need) -> tuple[Token | None, Repository]:
        """The repository of the request's path, for a caller who may do this with it.

        Raises:
            ApiError: 401, 403 or 404, by GitHub's rules for what to tell whom.
        """
        repository = self.store.repository(request.match_info["owner"], request.match_info["repo"])
        return self.admit(request, repository, need)

    def admit(self, request: web.Request, repository: Repository | None, need: Need) -> tuple[Token | None, Repository]:
        """As `open`, of a repository that was looked up already."""
        token = self.identify(request)
        if repository is None or not self.may_see(token, repository):
            raise not_found()
        level = self.store.permission(repository, token.user if token else None)
        if token is None and (need.access == "write" or _LEVELS[need.level] > _LEVELS["pull"]):
            raise ApiError(401, "Requires authentication")
        if _LEVELS[level] < _LEVELS[need.level]:
            if need.level == "admin" and level != "push":
                raise not_found()
            raise ApiError(403, f"Must have {need.level} rights to Repository.")
        if token is not None and not _token_allows(token, repository, need):
            if token.fine_grained:
                wanted = {"X-Accepted-GitHub-Permissions": f"{need.area}={need.access}"}
                raise ApiError(403, "Resource not accessible by personal access token", headers=wanted)
            raise not_found()
        return token, repository

    def sender(self, request: web.Request, need: Need) -> tuple[Token, Repository]:
        """As `open`, for calls that are never anonymous."""
        token, repository = self.open(request, need)
        if token is None:
            raise ApiError(401, "Requires authentication")
        return token, repository

    def may_see(self, token: Token | None, repository: Repository) -> bool:
        """Whether the caller may know that the repository exists."""
        if "/" in repository.owner and not self.groups_nest:
            return False
        if not self.store.permission(repository, token.user if token else None):
            return False
        if not repository.private or token is None:
            return True
        return token.fine_grained or bool(token.scopes & ({"repo"} | HOOK_SCOPES | {"repo:status"}))


def _token_allows(token: Token, repository: Repository, need: Need) -> bool:
    if token.permissions is not None:
        granted = token.permissions.get(need.area, "")
        return need.area == "metadata" or granted == "write" or (granted == "read" and need.access == "read")
    if need.area in {"metadata", "contents"} and need.access == "read" and not repository.private:
        return True
    enough = {"repo"} | need.scopes | (set() if repository.private else {"public_repo"})
    return bool(token.scopes & enough)


def _presented(authorization: str) -> str:
    kind, _, rest = authorization.strip().partition(" ")
    if kind.lower() in {"bearer", "token"}:
        return rest.strip()
    if kind.lower() == "basic":
        try:
            name, _, password = b64decode(rest, validate=True).decode().partition(":")
        except ValueError:
            return rest
        return password if password and password != "x-oauth-basic" else name
    return ""


async def json_object(request: web.Request) -> Json:
    """The request's body, a JSON object; an empty body counts as an empty object.

    Raises:
        ApiError: 400, it is something else.
    """
    text = await request.text()
    if not text.strip():
        return {}
    try:
        body = json.loads(text)
    except ValueError:
        raise ApiError(400, "Problems parsing JSON") from None
    if not isinstance(body, dict):
        raise ApiError(400, "Body should be a JSON object")
    return cast("Json", body)


def number(text: str) -> int:
    """An id in a path.

    Raises:
        ApiError: 404, it is no number.
    """
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise not_found()
    return int(text)


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """JSON."""
    return web.json_response(body, status=status, headers=headers)


def page_of(
    request: web.Request, url: str, items: Sequence[Any], *, size_name: str = "per_page", usual: int = 30
) -> tuple[list[Any], dict[str, str]]:
    """The page that the request's `per_page` (or `size_name`) and `page` ask for, and its Link header."""
    size = min(max(query_number(request, size_name, usual), 1), _MAX_PAGE)
    page = max(query_number(request, "page", 1), 1)
    last = max(-(-len(items) // size), 1)
    wanted = {"first": 1, "prev": page - 1} if page > 1 else {}
    wanted |= {"next": page + 1, "last": last} if page < last else {}
    base = url + request.rel_url.raw_path
    links = [
        f'<{base}?{request.rel_url.update_query(page=number).query_string}>; rel="{name}"'
        for name, number in wanted.items()
    ]
    return list(items[(page - 1) * size : page * size]), {"Link": ", ".join(links)} if links else {}


def query_number(request: web.Request, name: str, otherwise: int) -> int:
    """A number of the query, or another one where there is none."""
    text = request.query.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else otherwise

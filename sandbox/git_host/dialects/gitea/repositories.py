"""Users, repositories, branches, tags, comparisons, archives and commit statuses. https://docs.gitea.com/api/"""

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from sandbox.git_host.access import (
    CONTENTS,
    METADATA,
    READ_STATUSES,
    WRITE_STATUSES,
    ApiError,
    Context,
    answer,
    json_object,
    not_found,
    page_of,
)
from sandbox.git_host.dialects.archives import send_archive
from sandbox.git_host.dialects.gitea.shapes import Shapes
from sandbox.git_host.records import Json, Repository

VERSION = "1.25.1"  # the Gitea that this host passes for
_STATES = frozenset({"pending", "success", "error", "failure", "warning"})


def page(request: web.Request, context: Context, items: Sequence[Any]) -> tuple[list[Any], dict[str, str]]:
    """A page of a list. https://docs.gitea.com/development/api-usage#pagination"""
    found, headers = page_of(request, context.address.url, items, size_name="limit")
    return found, headers | {"X-Total-Count": str(len(items))}


class RepositoriesApi:
    """Handlers, one a route."""

    def __init__(self, context: Context, shapes: Shapes) -> None:
        self._context = context
        self._store = context.store
        self._shapes = shapes

    def routes(self) -> list[web.RouteDef]:
        """What this part answers, below /api/v1."""
        one = "/repos/{owner}/{repo}"
        return [
            web.get("/version", self.version),
            web.get("/user", self.user),
            web.get("/user/repos", self.mine),
            web.get("/repos/search", self.search),
            web.get(one, self.repository),
            web.get(one + "/branches", self.branches),
            web.get(one + "/branches/{name:.+}", self.branch),
            web.get(one + "/tags", self.tags),
            web.get(one + "/tags/{name:.+}", self.tag),
            web.get(one + "/git/commits/{sha}", self.commit),
            web.get(one + "/compare/{span:.+}", self.compare),
            web.get(one + "/archive/{ref:.+}.zip", self.archive),
            web.post(one + "/statuses/{sha}", self.add_status),
            web.get(one + "/statuses/{sha}", self.statuses),
        ]

    async def version(self, _request: web.Request) -> web.Response:
        return answer({"version": VERSION})

    async def user(self, request: web.Request) -> web.Response:
        return answer(self._shapes.user(self._context.caller(request).user))

    async def mine(self, request: web.Request) -> web.Response:
        token = self._context.caller(request)
        seen = [one for one in self._store.repositories(token.user) if self._context.may_see(token, one)]
        items, headers = page(request, self._context, sorted(seen, key=lambda one: one.id))
        return answer([self._body(request, one) for one in items], headers=headers)

    async def search(self, request: web.Request) -> web.Response:
        token = self._context.identify(request)
        wanted = request.query.get("q", "").casefold()
        seen = [one for one in self._store.repositories() if self._context.may_see(token, one)]
        items, headers = page(request, self._context, [one for one in seen if wanted in one.name.casefold()])
        return answer({"ok": True, "data": [self._body(request, one) for one in items]}, headers=headers)

    async def repository(self, request: web.Request) -> web.Response:
        _token, found = self._context.open(request, METADATA)
        return answer(self._body(request, found))

    async def branches(self, request: web.Request) -> web.Response:
        _token, found = self._context.open(request, CONTENTS)
        git = self._context.git(found)
        items, headers = page(request, self._context, list((await git.refs("refs/heads")).items()))
        bodies = [
            self._shapes.branch(found, ref.removeprefix("refs/heads/"), await git.commit(sha)) for ref, sha in items
        ]
        return answer(bodies, headers=headers)

    async def branch(self, request: web.Request) -> web.Response:
        _token, found = self._context.open(request, CONTENTS)
        git, name = self._context.git(found), request.match_info["name"]
        sha = (await git.refs(f"refs/heads/{name}")).get(f"refs/heads/{name}")
        if sha is None:
            raise not_found()
        return answer(self._shapes.branch(found, name, await git.commit(sha)))

    async def tags(self, request: web.Request) -> web.Response:
        _token, found = self._context.open(request, CONTENTS)
        refs = await self._context.git(found).refs("refs/tags")
        items, headers = page(request, self._context, list(reversed(refs.items())))
        return answer([await self._tag(found, ref, sha) for ref, sha in items], headers=headers)

    async def tag(self, request: web.Request) -> web.Response:
        _token, found = self._context.open(request, CONTENTS)
        ref = f"refs/tags/{request.match_info['name']}"
        sha = (await self._context.git(found).refs(ref)).get(ref)
        if sha is None:
            raise not_found()
        return answer(await self._tag(found, ref, sha))

    async def _tag(self, found: Repository, ref: str, sha: str) -> Json:
        target = await self._context.git(found).object_of(ref)
        return self._shapes.tag(found, ref.removeprefix("refs/tags/"), sha, target[0] if target else sha)

    async def commit(self, request: web.Request) -> web.Response:
        _token, found = self._context.open(request, CONTENTS)
        git = self._context.git(found)
        sha = await self._resolve(found, request.match_info["sha"])
        return answer(self._shapes.commit(found, await git.commit(sha), (await git.changes([sha]))[sha]))

    async def compare(self, request: web.Request) -> web.Response:
        """The commits that only the second of `one...other` has, newest first, each with its files."""
        _token, found = self._context.open(request, CONTENTS)
        git = self._context.git(found)
        first, dots, second = request.match_info["span"].partition("...")
        if not dots:
            raise not_found()
        base, head = await self._resolve(found, first), await self._resolve(found, second)
        commits = await git.commits(f"{base}..{head}")
        changes = await git.changes([one.sha for one in commits]) if commits else {}
        bodies = [self._shapes.commit(found, one, changes[one.sha]) for one in commits]
        return answer({"total_commits": len(commits), "commits": bodies})

    async def archive(self, request: web.Request) -> web.StreamResponse:
        """All lies in a folder of the repository's name, in small letters as its directory has it."""
        _token, found = self._context.open(request, CONTENTS)
        sha = await self._resolve(found, request.match_info["ref"])
        return await send_archive(request, self._context.git(found), sha, found.name.lower())

    async def add_status(self, request: web.Request) -> web.Response:
        token, found = self._context.sender(request, WRITE_STATUSES)
        body = await json_object(request)
        sha = await self._resolve(found, request.match_info["sha"])
        if body.get("state") not in _STATES:
            raise ApiError(422, "[State]: Required")
        status = self._store.add_status(
            found,
            sha=sha,
            state=body["state"],
            context=str(body.get("context") or "default"),
            target_url=body.get("target_url"),
            description=body.get("description"),
            creator=token.user.login,
        )
        return answer(self._shapes.status(status), 201)

    async def statuses(self, request: web.Request) -> web.Response:
        _token, found = self._context.open(request, READ_STATUSES)
        sha = await self._resolve(found, request.match_info["sha"])
        items, headers = page(request, self._context, self._store.statuses(found, sha))
        return answer([self._shapes.status(one) for one in items], headers=headers)

    async def _resolve(self, found: Repository, name: str) -> str:
        sha = await self._context.git(found).resolve(name)
        if sha is None:
            raise not_found()
        return sha

    def _body(self, request: web.Request, found: Repository) -> Json:
        token = self._context.identify(request)
        permission = self._store.permission(found, token.user) if token else ""
        return self._shapes.repository(found, self._store.user(found.owner), permission)

"""The server, repositories, branches, tags, commits, changed files and archives.

https://developer.atlassian.com/server/bitbucket/rest/v906/api-group-repository/
"""

from urllib.parse import quote

from aiohttp import web

from sandbox.git_host.access import ADMINISTER, CONTENTS, METADATA, ApiError, Context, answer
from sandbox.git_host.dialects.archives import send_archive
from sandbox.git_host.dialects.bitbucket_server.access import paged, problem, repository
from sandbox.git_host.dialects.bitbucket_server.shapes import Shapes, short
from sandbox.git_host.records import Json, Repository

VERSION = "9.6.1"  # the Bitbucket Data Center that this host passes for
_LEVELS = {"REPO_ADMIN": {"admin"}, "REPO_WRITE": {"admin", "push"}}


class RepositoriesApi:
    """Handlers, one a route."""

    def __init__(self, context: Context, shapes: Shapes) -> None:
        self._context = context
        self._store = context.store
        self._shapes = shapes

    def routes(self) -> list[web.RouteDef]:
        """What this part answers, below /rest/api/<version>."""
        one = "/projects/{key}/repos/{repo}"
        return [
            web.get("/application-properties", self.properties),
            web.get("/repos", self.repositories),
            web.get(one, self.repository),
            web.get(one + "/default-branch", self.default_branch),
            web.get(one + "/branches", self.branches),
            web.get(one + "/tags", self.tags),
            web.get(one + "/tags/{name:.+}", self.tag),
            web.get(one + "/commits", self.commits),
            web.get(one + "/commits/{ref:.+}", self.commit),
            web.get(one + "/changes", self.changes),
            web.get(one + "/archive", self.archive),
        ]

    async def properties(self, _request: web.Request) -> web.Response:
        body = {"version": VERSION, "buildNumber": "9006001", "buildDate": "1", "displayName": "Bitbucket"}
        return answer(body)

    async def whoami(self, request: web.Request) -> web.Response:
        """`/plugins/servlet/applinks/whoami`: the bare name, or nothing."""
        try:
            token = self._context.identify(request)
        except ApiError:
            token = None
        return web.Response(text=quote(token.user.login) if token else "")

    async def repositories(self, request: web.Request) -> web.Response:
        token, query = self._context.caller(request), request.query
        user = token.user
        levels = _LEVELS.get(query.get("permission", ""), {"admin", "push", "pull"})
        limited = token.fine_grained and (token.permissions or {}).get(ADMINISTER.area) != "write"
        if query.get("permission") == "REPO_ADMIN" and limited:
            levels = set()
        found = [
            one
            for one in self._store.repositories(user)
            if self._context.may_see(token, one)
            and self._store.permission(one, user) in levels
            and query.get("name", "").casefold() in one.name.casefold()
            and query.get("projectname", "").casefold() in one.owner.casefold()
        ]
        found.sort(key=lambda one: one.full_name.casefold())
        return answer(paged(request, [self._shapes.repository(one) for one in found]))

    async def repository(self, request: web.Request) -> web.Response:
        _token, found = repository(self._context, request, METADATA)
        return answer(self._shapes.repository(found))

    async def default_branch(self, request: web.Request) -> web.Response:
        _token, found = repository(self._context, request, CONTENTS)
        ref = f"refs/heads/{found.default_branch}"
        sha = (await self._context.git(found).refs(ref)).get(ref)
        if sha is None:
            words = f"Repository {found.full_name} has no default branch"
            raise problem(404, words, "repository.NoDefaultBranchException")
        return answer({"id": ref, "displayId": found.default_branch, "type": "BRANCH"})

    async def branches(self, request: web.Request) -> web.Response:
        return await self._refs(request, "refs/heads")

    async def tags(self, request: web.Request) -> web.Response:
        return await self._refs(request, "refs/tags")

    async def _refs(self, request: web.Request, prefix: str) -> web.Response:
        _token, found = repository(self._context, request, CONTENTS)
        wanted = request.query.get("filterText", "").casefold()
        refs = await self._context.git(found).refs(prefix)
        shapes = [
            self._shapes.ref(ref, sha, default=ref == f"refs/heads/{found.default_branch}")
            for ref, sha in refs.items()
            if wanted in short(ref).casefold()
        ]
        return answer(paged(request, shapes))

    async def tag(self, request: web.Request) -> web.Response:
        _token, found = repository(self._context, request, CONTENTS)
        ref = f"refs/tags/{request.match_info['name']}"
        sha = (await self._context.git(found).refs(ref)).get(ref)
        if sha is None:
            words = f'Tag "{request.match_info["name"]}" does not exist in repository "{found.name}".'
            raise problem(404, words, "repository.NoSuchTagException")
        return answer(self._shapes.ref(ref, sha))

    async def commits(self, request: web.Request) -> web.Response:
        _token, found = repository(self._context, request, CONTENTS)
        until = request.query.get("until", "")
        git = self._context.git(found)
        if not until and not await git.refs():
            return answer(paged(request, []))
        sha = await self._resolve(found, until or found.default_branch)
        since = request.query.get("since", "")
        arguments = [sha] if not since else [f"{await self._resolve(found, since)}..{sha}"]
        return answer(paged(request, [self._shapes.commit(one) for one in await git.commits(*arguments)]))

    async def commit(self, request: web.Request) -> web.Response:
        _token, found = repository(self._context, request, CONTENTS)
        sha = await self._resolve(found, request.match_info["ref"])
        return answer(self._shapes.commit(await self._context.git(found).commit(sha)))

    async def changes(self, request: web.Request) -> web.Response:
        _token, found = repository(self._context, request, CONTENTS)
        newer = await self._resolve(found, request.query.get("until", ""))
        since = request.query.get("since", "")
        older = await self._resolve(found, since or f"{newer}~1")
        pairs = await self._context.git(found).differences(older, newer)
        values: list[Json] = [
            {
                "path": self._shapes.path(new or old or ""),
                "type": "ADD" if old is None else "DELETE" if new is None else "MODIFY",
                "nodeType": "FILE",
            }
            for old, new in pairs
        ]
        return answer(paged(request, values) | {"fromHash": older, "toHash": newer})

    async def archive(self, request: web.Request) -> web.StreamResponse:
        """The entries lie in no folder, unless `prefix` asks for one."""
        _token, found = repository(self._context, request, CONTENTS)
        sha = await self._resolve(found, request.query.get("at") or found.default_branch)
        if request.query.get("format", "zip") != "zip":
            raise problem(400, "The sandbox serves archives as zip only", "ArgumentValidationException", "format")
        folder = request.query.get("prefix", "").rstrip("/")
        return await send_archive(request, self._context.git(found), sha, folder)

    async def _resolve(self, found: Repository, name: str) -> str:
        sha = await self._context.git(found).resolve(name)
        if sha is None:
            words = f"Commit '{name}' does not exist in repository '{found.name}'."
            raise problem(404, words, "commit.NoSuchCommitException")
        return sha

"""Users, workspaces, repositories, branches, tags, changed files and archives.

https://developer.atlassian.com/cloud/bitbucket/rest/api-group-repositories/
"""

import re

from aiohttp import web

from sandbox.git_host.access import CONTENTS, METADATA, ApiError, Context, answer
from sandbox.git_host.dialects.archives import send_archive
from sandbox.git_host.dialects.bitbucket_cloud.access import Mechanism, paged, refuse
from sandbox.git_host.dialects.bitbucket_cloud.shapes import Shapes
from sandbox.git_host.records import Repository

_CLAUSE = re.compile(r"""(?:full_name|name|slug)\s*~\s*"([^"]*)\"""")


class RepositoriesApi:
    """Handlers, one a route."""

    def __init__(self, context: Context, shapes: Shapes) -> None:
        self._context = context
        self._store = context.store
        self._shapes = shapes

    def routes(self) -> list[web.RouteDef]:
        """What this part answers, below /2.0."""
        one = "/repositories/{owner}/{repo}"
        return [
            web.get("/hook_events", self.hook_events),
            web.get("/user", self.user),
            web.get("/user/workspaces", self.workspaces),
            web.get("/repositories/{owner}", self.repositories),
            web.get(one, self.repository),
            web.get(one + "/refs/branches", self.branches),
            web.get(one + "/refs/branches/{name:.+}", self.branch),
            web.get(one + "/refs/tags", self.tags),
            web.get(one + "/refs/tags/{name:.+}", self.tag),
            web.get(one + "/commit/{sha}", self.commit),
            web.get(one + "/diffstat/{spec:.+}", self.diffstat),
        ]

    async def hook_events(self, request: web.Request) -> web.Response:
        self._context.caller(request)
        href = f"{self._context.address.url}/2.0/hook_events/repository"
        return answer({"repository": {"links": {"events": {"href": href}}}})

    async def user(self, request: web.Request) -> web.Response:
        token = self._context.caller(request)
        refuse(request, Mechanism.ACCESS_TOKEN)
        return answer(self._shapes.user(token.user))

    async def workspaces(self, request: web.Request) -> web.Response:
        token = self._context.caller(request)
        refuse(request, Mechanism.ACCESS_TOKEN)
        owners = {one.owner: None for one in self._store.repositories(token.user)}
        found = [
            {"type": "workspace_access", "administrator": True, "workspace": self._shapes.workspace(owner)}
            for owner in sorted(owners)
        ]
        return answer(paged(request, self._context, found))

    async def repositories(self, request: web.Request) -> web.Response:
        token = self._context.caller(request)
        owner = request.match_info["owner"].casefold()
        words = [word.casefold() for word in _CLAUSE.findall(request.query.get("q", ""))]
        found = [
            one
            for one in self._store.repositories(token.user)
            if one.owner.casefold() == owner
            and self._context.may_see(token, one)
            and (not words or any(word in one.full_name.casefold() for word in words))
        ]
        found.sort(key=lambda one: one.full_name.casefold())
        return answer(paged(request, self._context, [self._shapes.repository(one) for one in found]))

    async def repository(self, request: web.Request) -> web.Response:
        _token, repository = self._context.open(request, METADATA)
        return answer(self._shapes.repository(repository))

    async def branches(self, request: web.Request) -> web.Response:
        return await self._refs(request, "refs/heads/")

    async def tags(self, request: web.Request) -> web.Response:
        return await self._refs(request, "refs/tags/")

    async def branch(self, request: web.Request) -> web.Response:
        return await self._ref(request, "refs/heads/")

    async def tag(self, request: web.Request) -> web.Response:
        return await self._ref(request, "refs/tags/")

    async def _refs(self, request: web.Request, prefix: str) -> web.Response:
        _token, repository = self._context.open(request, CONTENTS)
        refs = await self._context.git(repository).refs(prefix.rstrip("/"))
        body = paged(request, self._context, list(refs.items()))
        body["values"] = [await self._described(repository, ref, sha) for ref, sha in body["values"]]
        return answer(body)

    async def _ref(self, request: web.Request, prefix: str) -> web.Response:
        _token, repository = self._context.open(request, CONTENTS)
        ref = prefix + request.match_info["name"]
        sha = (await self._context.git(repository).refs(ref)).get(ref)
        if sha is None:
            raise ApiError(404, f"Reference {request.match_info['name']} not found")
        return answer(await self._described(repository, ref, sha))

    async def _described(self, repository: Repository, ref: str, sha: str) -> dict[str, object]:
        commit = await self._context.git(repository).commit(sha)
        if ref.startswith("refs/tags/"):
            return self._shapes.tag(repository, ref.removeprefix("refs/tags/"), commit)
        return self._shapes.branch(repository, ref.removeprefix("refs/heads/"), commit)

    async def commit(self, request: web.Request) -> web.Response:
        _token, repository = self._context.open(request, CONTENTS)
        sha = await self._resolve(repository, request.match_info["sha"])
        return answer(self._shapes.commit(repository, await self._context.git(repository).commit(sha)))

    async def diffstat(self, request: web.Request) -> web.Response:
        """The other way round than with git: the newer commit comes first."""
        _token, repository = self._context.open(request, CONTENTS)
        git = self._context.git(repository)
        first, dots, second = request.match_info["spec"].partition("..")
        newer = await self._resolve(repository, first)
        older = await self._resolve(repository, second if dots else f"{newer}~1")
        if request.query.get("topic", "true" if dots else "false") == "true":
            older = (await git.run("merge-base", older, newer)).strip()
        found = [
            {
                "type": "diffstat",
                "status": "added" if old is None else "removed" if new is None else "modified",
                "lines_added": 0,
                "lines_removed": 0,
                "old": self._shapes.file(old),
                "new": self._shapes.file(new),
            }
            for old, new in await git.differences(older, newer)
        ]
        return answer(paged(request, self._context, found, usual=500))

    async def archive(self, request: web.Request) -> web.StreamResponse:
        """`/<workspace>/<slug>/get/<ref>.zip` of the web site, with the credentials of the API."""
        try:
            _token, repository = self._context.open(request, CONTENTS)
            sha = await self._resolve(repository, request.match_info["ref"])
        except ApiError as error:
            # As on the web site, whoever may not see it finds nothing.
            raise web.HTTPNotFound if error.status != 401 else web.HTTPUnauthorized from None
        folder = f"{repository.owner}-{repository.name}-{sha[:12]}"
        return await send_archive(request, self._context.git(repository), sha, folder)

    async def host_keys(self, _request: web.Request) -> web.Response:
        """`/site/ssh`: https://support.atlassian.com/bitbucket-cloud/docs/configure-ssh-and-two-step-verification/"""
        name = self._context.address.host.partition(":")[0]
        return web.Response(text=f"{name} {self._context.ssh_host_key}\n")

    async def _resolve(self, repository: Repository, name: str) -> str:
        sha = await self._context.git(repository).resolve(name)
        if sha is None:
            raise ApiError(404, f"Commit not found: {name}")
        return sha

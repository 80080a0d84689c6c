"""Users, repositories, branches, tags, commits and archives."""

import sqlite3
from urllib.parse import quote

from aiohttp import web

from sandbox.git_host.access import (
    ADMINISTER,
    CONTENTS,
    METADATA,
    ApiError,
    Context,
    answer,
    invalid,
    json_object,
    not_found,
    page_of,
)
from sandbox.git_host.dialects.github.shapes import VERSION, Shapes
from sandbox.git_host.records import Repository, Token

_ACCEPT_SHA = "application/vnd.github.sha"
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


class RepositoriesApi:
    """Handlers, one a route."""

    def __init__(self, context: Context, shapes: Shapes) -> None:
        self._context = context
        self._store = context.store
        self._shapes = shapes

    def routes(self) -> list[web.RouteDef]:
        """What this part answers."""
        repo = "/repos/{owner}/{repo}"
        return [
            web.get("", self.root),
            web.get("/", self.root),
            web.get("/meta", self.meta),
            web.get("/rate_limit", self.rate_limit),
            web.get("/user", self.user),
            web.get("/users/{login}", self.someone),
            web.get("/user/repos", self.mine),
            web.post("/user/repos", self.create),
            web.post("/orgs/{org}/repos", self.create),
            web.get("/search/repositories", self.search),
            web.get(repo, self.repository),
            web.patch(repo, self.update),
            web.delete(repo, self.delete),
            web.get(repo + "/branches", self.branches),
            web.get(repo + "/branches/{name:.+}", self.branch),
            web.get(repo + "/tags", self.tags),
            web.get(repo + "/git/ref/{ref:.+}", self.ref),
            web.get(repo + "/git/matching-refs/{ref:.*}", self.matching_refs),
            web.get(repo + "/commits", self.commits),
            web.get(repo + "/commits/{ref:.+}", self.commit),
            web.get(repo + "/compare/{span:.+}", self.compare),
            web.get(repo + "/zipball", self.zipball),
            web.get(repo + "/zipball/{ref:.*}", self.zipball),
        ]

    async def root(self, _request: web.Request) -> web.Response:
        shapes = self._shapes
        return answer(
            {
                "current_user_url": f"{shapes.api}/user",
                "repository_url": f"{shapes.api}/repos/{{owner}}/{{repo}}",
                "current_user_repositories_url": f"{shapes.api}/user/repos{{?type,page,per_page,sort}}",
            }
        )

    async def meta(self, _request: web.Request) -> web.Response:
        return answer(
            {
                "verifiable_password_authentication": False,
                "installed_version": VERSION,
                "ssh_keys": [self._context.ssh_host_key],
                "hooks": ["127.0.0.1/32"],
                "git": ["127.0.0.1/32"],
            }
        )

    async def rate_limit(self, _request: web.Request) -> web.Response:
        raise ApiError(404, "Rate limiting is not enabled.")

    async def user(self, request: web.Request) -> web.Response:
        return answer(self._shapes.private_user(self._context.caller(request).user))

    async def someone(self, request: web.Request) -> web.Response:
        found = self._store.user(request.match_info["login"])
        if found is None:
            raise not_found()
        return answer(self._shapes.user(found))

    async def mine(self, request: web.Request) -> web.Response:
        token = self._context.caller(request)
        seen = [one for one in self._store.repositories(token.user) if self._context.may_see(token, one)]
        if request.query.get("sort", "full_name") == "full_name":
            seen.sort(key=lambda one: one.full_name.casefold())
        if request.query.get("direction") == "desc" and request.query.get("sort") == "full_name":
            seen.reverse()
        items, headers = page_of(request, self._shapes.url, seen)
        return answer([self._body(one, token) for one in items], headers=headers)

    async def search(self, request: web.Request) -> web.Response:
        token = self._context.identify(request)
        query = request.query.get("q", "").strip()
        if not query:
            raise invalid("Search", "q is missing", "q", "missing")
        words = [word.casefold() for word in query.split() if ":" not in word]
        owners = {word.partition(":")[2].casefold() for word in query.split() if word.startswith(("user:", "org:"))}
        found = [
            one
            for one in self._store.repositories()
            if self._context.may_see(token, one)
            and all(word in one.full_name.casefold() for word in words)
            and (not owners or one.owner.casefold() in owners)
        ]
        items, headers = page_of(request, self._shapes.url, found)
        body = {
            "total_count": len(found),
            "incomplete_results": False,
            "items": [self._body(one, token) for one in items],
        }
        return answer(body, headers=headers)

    async def create(self, request: web.Request) -> web.Response:
        token = self._context.caller(request)
        body = await json_object(request)
        owner = request.match_info.get("org", token.user.login)
        if self._store.user(owner) is None:
            raise not_found()
        may = token.permissions.get("administration") == "write" if token.permissions else "repo" in token.scopes
        if not may:
            raise ApiError(403, "Resource not accessible by personal access token")
        name = body.get("name")
        if not isinstance(name, str) or not name or set(name) - _NAME_CHARACTERS or name in {".", ".."}:
            raise invalid("Repository", "name is invalid", "name")
        try:
            repository = self._store.create_repository(
                owner, name, private=bool(body.get("private")), description=str(body.get("description") or "")
            )
        except sqlite3.IntegrityError:
            raise invalid("Repository", "name already exists on this account", "name") from None
        self._store.grant(repository, token.user)
        self._context.git(repository).create(repository.default_branch)
        headers = {"Location": self._shapes.repository_url(repository)}
        return answer(self._body(repository, token), 201, headers)

    async def repository(self, request: web.Request) -> web.Response:
        token, repository = self._context.open(request, METADATA)
        return answer(self._body(repository, token))

    async def update(self, request: web.Request) -> web.Response:
        token, repository = self._context.sender(request, ADMINISTER)
        body = await json_object(request)
        if "default_branch" in body:
            branch = str(body["default_branch"])
            if f"refs/heads/{branch}" not in await self._context.git(repository).refs("refs/heads"):
                raise invalid("Repository", f"The branch {branch} was not found.", "default_branch", "invalid")
            await self._context.git(repository).set_default_branch(branch)
            self._store.update_repository(repository, default_branch=branch)
        if "private" in body:
            self._store.update_repository(repository, private=bool(body["private"]))
        if "description" in body:
            self._store.update_repository(repository, description=str(body["description"] or ""))
        found = self._store.repository(repository.owner, repository.name)
        assert found
        return answer(self._body(found, token))

    async def delete(self, request: web.Request) -> web.Response:
        _token, repository = self._context.sender(request, ADMINISTER)
        self._store.delete_repository(repository)
        self._context.git(repository).delete()
        return web.Response(status=204)

    async def branches(self, request: web.Request) -> web.Response:
        _token, repository = self._context.open(request, CONTENTS)
        refs = await self._context.git(repository).refs("refs/heads")
        items, headers = page_of(request, self._shapes.url, list(refs.items()))
        found = [self._shapes.branch(repository, ref.removeprefix("refs/heads/"), sha) for ref, sha in items]
        return answer(found, headers=headers)

    async def branch(self, request: web.Request) -> web.Response:
        _token, repository = self._context.open(request, CONTENTS)
        name = request.match_info["name"]
        git = self._context.git(repository)
        sha = (await git.refs(f"refs/heads/{name}")).get(f"refs/heads/{name}")
        if sha is None:
            raise ApiError(404, "Branch not found")
        body = self._shapes.branch(repository, name, sha)
        return answer(body | {"commit": self._shapes.commit(repository, await git.commit(sha))})

    async def tags(self, request: web.Request) -> web.Response:
        _token, repository = self._context.open(request, METADATA)
        refs = await self._context.git(repository).refs("refs/tags")
        items, headers = page_of(request, self._shapes.url, list(reversed(refs.items())))
        found = [self._shapes.tag(repository, ref.removeprefix("refs/tags/"), sha) for ref, sha in items]
        return answer(found, headers=headers)

    async def ref(self, request: web.Request) -> web.Response:
        _token, repository = self._context.open(request, CONTENTS)
        ref = f"refs/{request.match_info['ref']}"
        found = await self._context.git(repository).object_of(ref)
        if found is None:
            raise not_found()
        return answer(self._shapes.ref(repository, ref, *found))

    async def matching_refs(self, request: web.Request) -> web.Response:
        _token, repository = self._context.open(request, CONTENTS)
        wanted = f"refs/{request.match_info['ref']}"
        git = self._context.git(repository)
        names = [name for name in await git.refs("refs/heads", "refs/tags") if name.startswith(wanted)]
        objects = [(name, await git.object_of(name)) for name in names]
        return answer([self._shapes.ref(repository, name, *found) for name, found in objects if found])

    async def commits(self, request: web.Request) -> web.Response:
        _token, repository = self._context.open(request, CONTENTS)
        git = self._context.git(repository)
        sha = await self._resolve(repository, request.query.get("sha") or repository.default_branch)
        items, headers = page_of(request, self._shapes.url, await git.commits("--max-count=1000", sha))
        return answer([self._shapes.commit(repository, one) for one in items], headers=headers)

    async def commit(self, request: web.Request) -> web.Response:
        _token, repository = self._context.open(request, CONTENTS)
        sha = await self._resolve(repository, request.match_info["ref"], missing=422)
        if _ACCEPT_SHA in request.headers.get("Accept", ""):
            return web.Response(text=sha, content_type=_ACCEPT_SHA)
        return answer(self._shapes.commit(repository, await self._context.git(repository).commit(sha)))

    async def compare(self, request: web.Request) -> web.Response:
        """https://docs.github.com/en/rest/commits/commits#compare-two-commits"""
        _token, repository = self._context.open(request, CONTENTS)
        git = self._context.git(repository)
        first, _, second = request.match_info["span"].partition("...")
        base, head = await self._resolve(repository, first), await self._resolve(repository, second)
        ahead, behind = await git.commits("--reverse", f"{base}..{head}"), await git.commits(f"{head}..{base}")
        parted = (await git.run("merge-base", base, head)).strip()
        status = {(True, True): "diverged", (True, False): "ahead", (False, True): "behind"}
        return answer(
            {
                "status": status.get((bool(ahead), bool(behind)), "identical"),
                "ahead_by": len(ahead),
                "behind_by": len(behind),
                "total_commits": len(ahead),
                "merge_base_commit": self._shapes.commit(repository, await git.commit(parted)),
                "commits": [self._shapes.commit(repository, one) for one in ahead[:250]],
                "files": [
                    {
                        "filename": new or old,
                        "status": "added" if old is None else "removed" if new is None else "modified",
                    }
                    for old, new in (await git.differences(parted, head))[:300]
                ],
            }
        )

    async def zipball(self, request: web.Request) -> web.Response:
        _token, repository = self._context.open(request, CONTENTS)
        ref = request.match_info.get("ref") or repository.default_branch
        sha = await self._resolve(repository, ref)
        link = f"{self._shapes.url}/_codeload/{repository.full_name}/legacy.zip/{quote(sha)}"
        if repository.private:
            link += f"?token={self._store.make_archive_link(repository)}"
        return web.Response(status=302, headers={"Location": link})

    async def _resolve(self, repository: Repository, ref: str, missing: int = 404) -> str:
        git = self._context.git(repository)
        if not await git.refs():
            raise ApiError(409, "Git Repository is empty.")
        sha = await git.resolve(ref)
        if sha is None:
            raise ApiError(missing, "Not Found" if missing == 404 else f"No commit found for SHA: {ref}")
        return sha

    def _body(self, repository: Repository, token: Token | None) -> dict[str, object]:
        permission = self._store.permission(repository, token.user) if token else ""
        return self._shapes.repository(repository, self._store.user(repository.owner), permission)

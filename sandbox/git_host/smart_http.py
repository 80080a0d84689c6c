"""git over HTTPS, and archives: what lies outside of the API."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import web

from sandbox.git_host.access import ApiError, Context
from sandbox.git_host.dialects.archives import send_archive
from sandbox.git_host.git import GitRepository
from sandbox.git_host.records import Repository, User

_READ, _WRITE = "git-upload-pack", "git-receive-pack"
_CHUNK = 1 << 16

# Runs `git http-backend` with these variables and calls back with the process while it lives.
RunBackend = Callable[
    [Repository, User | None, dict[str, str], Callable[[asyncio.subprocess.Process], Awaitable[None]]],
    Awaitable[None],
]


class SmartHttp:
    """Handlers, one a route.

    Args:
        context: what the API works with, too.
        run_backend: runs `git http-backend` and sees to the events of a push.
    """

    def __init__(self, context: Context, run_backend: RunBackend) -> None:
        self._context = replace(context, groups_nest=True)
        self._run_backend = run_backend

    def routes(self) -> list[web.RouteDef]:
        """What this part answers."""
        # Bitbucket Data Center has its repositories under /scm, and whole projects can be called that elsewhere.
        repository, data_center = "/{owner:.+}/{repo:[^/]+}.git", "/scm/{owner:[^/]+}/{repo:[^/]+}.git"
        return [
            web.get("/", self.front),
            web.get("/_codeload/{owner}/{repo}/legacy.zip/{sha}", self.archive),
            web.get(data_center + "/info/refs", self.git),
            web.post(data_center + "/{service:git-upload-pack|git-receive-pack}", self.git),
            web.get(repository + "/info/refs", self.git),
            web.post(repository + "/{service:git-upload-pack|git-receive-pack}", self.git),
        ]

    async def front(self, _request: web.Request) -> web.Response:
        """Says what this is, to a person with a browser."""
        return web.Response(
            text="Sluice's sandbox git host. There are no pages here: where Sluice says what to paste at\n"
            "the provider, use its API: /api/v3 (GitHub), /api/v4 (GitLab), /2.0 (Bitbucket Cloud),\n"
            "/rest/api/latest (Bitbucket Data Center) or /api/v1 (Gitea).\n"
        )

    async def archive(self, request: web.Request) -> web.StreamResponse:
        """The zip of a commit, for who has the link."""
        store = self._context.store
        repository = store.repository(request.match_info["owner"], request.match_info["repo"])
        sha = request.match_info["sha"]
        if repository is None or not re.fullmatch(r"[0-9a-f]{40}", sha):
            raise web.HTTPNotFound
        if repository.private and not store.archive_link_opens(request.query.get("token", ""), repository):
            raise web.HTTPNotFound
        git: GitRepository = self._context.git(repository)
        folder = f"{repository.owner}-{repository.name}-{sha[:7]}"
        return await send_archive(request, git, sha, folder)

    async def git(self, request: web.Request) -> web.StreamResponse:
        """A request of git's smart protocol."""
        service = request.match_info.get("service") or request.query.get("service", "")
        if service not in {_READ, _WRITE}:
            raise web.HTTPForbidden(text="Please upgrade your git client.")
        try:
            token = self._context.identify(request)
        except ApiError:
            token = None
            if "Authorization" in request.headers:
                raise self._sign_in() from None
        repository = self._context.store.repository(request.match_info["owner"], request.match_info["repo"])
        if repository is None or not self._context.may_see(token, repository):
            if token is None:
                raise self._sign_in()
            raise web.HTTPNotFound(text="Repository not found.")
        if service == _WRITE:
            if token is None:
                raise self._sign_in()
            if not self._may_write(token.user, repository) or not (
                token.permissions.get("contents") == "write"
                if token.permissions is not None
                else "repo" in token.scopes
            ):
                raise web.HTTPForbidden(text=f"Permission to {repository.full_name}.git denied.")
        return await self._answer(request, repository, token.user if token else None)

    def _may_write(self, user: User, repository: Repository) -> bool:
        return self._context.store.permission(repository, user) in {"push", "admin"}

    def _sign_in(self) -> web.HTTPUnauthorized:
        return web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Basic realm="Sluice sandbox"'})

    async def _answer(self, request: web.Request, repository: Repository, user: User | None) -> web.StreamResponse:
        tail = request.path.partition(".git/")[2]
        variables = {
            "REQUEST_METHOD": request.method,
            "PATH_INFO": f"/{repository.owner}/{repository.name}.git/{tail}",
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        for header, variable in {
            "Content-Length": "CONTENT_LENGTH",
            "Content-Encoding": "HTTP_CONTENT_ENCODING",
            "Git-Protocol": "GIT_PROTOCOL",
        }.items():
            if header in request.headers:
                variables[variable] = request.headers[header]
        if user:
            variables["REMOTE_USER"] = user.login
        answered: list[web.StreamResponse] = []

        async def exchange(process: asyncio.subprocess.Process) -> None:
            feeding = asyncio.ensure_future(_feed(request, process))
            try:
                answered.append(await _relay(request, process))
            finally:
                feeding.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await feeding

        await self._run_backend(repository, user, variables, exchange)
        return answered[0]


async def _feed(request: web.Request, process: asyncio.subprocess.Process) -> None:
    assert process.stdin
    try:
        async for chunk in request.content.iter_chunked(_CHUNK):
            process.stdin.write(chunk)
            await process.stdin.drain()
    except ConnectionError:
        return  # git has heard enough
    finally:
        process.stdin.close()


async def _relay(request: web.Request, process: asyncio.subprocess.Process) -> web.StreamResponse:
    assert process.stdout
    response = web.StreamResponse()
    while line := (await process.stdout.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "status":
            response.set_status(int(value.split()[0]))
        else:
            response.headers[name] = value.strip()
    await response.prepare(request)
    while chunk := await process.stdout.read(_CHUNK):
        await response.write(chunk)
    await response.write_eof()
    return response

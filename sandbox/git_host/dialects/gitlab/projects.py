"""Users, projects, branches, tags, archives, deploy keys and commit statuses."""

import re
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from sandbox.git_host.access import (
    CONTENTS,
    METADATA,
    READ_KEYS,
    WRITE_KEYS,
    WRITE_STATUSES,
    ApiError,
    Context,
    Need,
    answer,
    json_object,
    not_found,
    number,
    page_of,
    query_number,
)
from sandbox.git_host.dialects.archives import send_archive
from sandbox.git_host.dialects.gitlab.shapes import VERSION, Shapes
from sandbox.git_host.records import DeployKey, Json, Repository, Token
from sandbox.git_host.store import KeyTaken

_STATES = frozenset({"pending", "running", "success", "failed", "canceled", "skipped"})
_EVENTS = {"pending": "enqueue", "running": "run", "success": "success", "failed": "drop", "canceled": "cancel"}
_TAKEN = {"message": {"deploy_key.fingerprint_sha256": ["has already been taken"]}}
_NO_KEY = {"message": {"deploy_key.key": ["is invalid"]}}


def project(context: Context, request: web.Request, need: Need) -> tuple[Token, Repository]:
    """The project of the request's path, an id or a full name, for a caller who may do this with it.

    Raises ApiError.
    """
    named = request.match_info["project"]
    owner, _, name = named.rpartition("/")
    store = context.store
    found = store.repository_by_id(int(named)) if named.isdecimal() else store.repository(owner, name)
    try:
        token, repository = context.admit(request, found, need)
    except ApiError as error:
        if error.status == 404:
            raise ApiError(404, "", body={"message": "404 Project Not Found"}) from None
        raise
    if token is None:
        raise ApiError(401, "Unauthorized")
    return token, repository


def page(request: web.Request, url: str, items: Sequence[Any]) -> tuple[list[Any], dict[str, str]]:
    """A page of a list, with GitLab's headers. https://docs.gitlab.com/api/rest/#pagination"""
    found, headers = page_of(request, url, items, usual=20)
    number_of = str(max(query_number(request, "page", 1), 1))
    return found, headers | {"X-Page": number_of, "X-Total": str(len(items))}


class ProjectsApi:
    """Handlers, one a route."""

    def __init__(self, context: Context, shapes: Shapes) -> None:
        self._context = context
        self._store = context.store
        self._shapes = shapes

    def routes(self) -> list[web.RouteDef]:
        """What this part answers."""
        one = "/projects/{project}"
        return [
            web.get("/version", self.metadata),
            web.get("/metadata", self.metadata),
            web.get("/user", self.user),
            web.get("/personal_access_tokens/self", self.token),
            web.get("/projects", self.projects),
            web.get(one, self.project),
            web.get(one + "/repository/branches", self.branches),
            web.get(one + "/repository/branches/{name}", self.branch),
            web.get(one + "/repository/tags", self.tags),
            web.get(one + "/repository/tags/{name}", self.tag),
            web.get(one + "/repository/commits/{ref}", self.commit),
            web.get(one + "/repository/compare", self.compare),
            web.get(one + "/repository/archive.zip", self.archive),
            web.get(one + "/deploy_keys", self.deploy_keys),
            web.post(one + "/deploy_keys", self.add_deploy_key),
            web.get(one + "/deploy_keys/{id}", self.deploy_key),
            web.delete(one + "/deploy_keys/{id}", self.delete_deploy_key),
            web.post(one + "/statuses/{sha}", self.add_status),
            web.get(one + "/repository/commits/{ref}/statuses", self.statuses),
        ]

    async def metadata(self, request: web.Request) -> web.Response:
        self._context.caller(request)
        return answer({"version": VERSION, "revision": "5a0db0c5", "enterprise": False})

    async def user(self, request: web.Request) -> web.Response:
        user = self._context.caller(request).user
        return answer(self._shapes.user(user) | {"email": user.email})

    async def token(self, request: web.Request) -> web.Response:
        token = self._context.caller(request)
        all_of_it = "repo" in token.scopes and not token.fine_grained
        return answer(
            {
                "name": "token",
                "revoked": False,
                "active": True,
                "user_id": token.user.id,
                "scopes": ["api"] if all_of_it else ["read_api", "read_repository"],
                "expires_at": None,
            }
        )

    async def projects(self, request: web.Request) -> web.Response:
        token = self._context.caller(request)
        # Without `membership`, what anybody may see is listed as well.
        whose = token.user if request.query.get("membership") == "true" else None
        words = request.query.get("search", "").casefold().split()
        by_namespace = request.query.get("search_namespaces") == "true"
        found = [
            one
            for one in self._store.repositories(whose)
            if self._context.may_see(token, one)
            and all(word in (one.full_name if by_namespace else one.name).casefold() for word in words)
        ]
        if request.query.get("order_by") in {"path", "name"}:
            found.sort(key=lambda one: one.name.casefold(), reverse=request.query.get("sort") != "asc")
        items, headers = self._page(request, found)
        bodies = [self._shapes.project(one, self._store.permission(one, token.user)) for one in items]
        return answer(bodies, headers=headers)

    async def project(self, request: web.Request) -> web.Response:
        token, repository = project(self._context, request, METADATA)
        return answer(self._shapes.project(repository, self._store.permission(repository, token.user)))

    async def branches(self, request: web.Request) -> web.Response:
        _token, repository = project(self._context, request, CONTENTS)
        git = self._context.git(repository)
        items, headers = self._page(request, list((await git.refs("refs/heads")).items()))
        found = [
            self._shapes.branch(repository, ref.removeprefix("refs/heads/"), await git.commit(sha))
            for ref, sha in items
        ]
        return answer(found, headers=headers)

    async def branch(self, request: web.Request) -> web.Response:
        _token, repository = project(self._context, request, CONTENTS)
        git, name = self._context.git(repository), request.match_info["name"]
        sha = (await git.refs(f"refs/heads/{name}")).get(f"refs/heads/{name}")
        if sha is None:
            raise ApiError(404, "", body={"message": "404 Branch Not Found"})
        return answer(self._shapes.branch(repository, name, await git.commit(sha)))

    async def tags(self, request: web.Request) -> web.Response:
        _token, repository = project(self._context, request, CONTENTS)
        refs = await self._context.git(repository).refs("refs/tags")
        items, headers = self._page(request, list(reversed(refs.items())))
        return answer([await self._tag(repository, ref, sha) for ref, sha in items], headers=headers)

    async def tag(self, request: web.Request) -> web.Response:
        _token, repository = project(self._context, request, CONTENTS)
        ref = f"refs/tags/{request.match_info['name']}"
        sha = (await self._context.git(repository).refs(ref)).get(ref)
        if sha is None:
            raise ApiError(404, "", body={"message": "404 Tag Not Found"})
        return answer(await self._tag(repository, ref, sha))

    async def _tag(self, repository: Repository, ref: str, sha: str) -> Json:
        git = self._context.git(repository)
        target = await git.object_of(ref)
        commit = await git.commit(sha)
        return self._shapes.tag(repository, ref.removeprefix("refs/tags/"), commit, target[0] if target else sha)

    async def commit(self, request: web.Request) -> web.Response:
        _token, repository, sha = await self._commit(request, CONTENTS, request.match_info["ref"])
        return answer(self._shapes.commit(repository, await self._context.git(repository).commit(sha)))

    async def compare(self, request: web.Request) -> web.Response:
        """https://docs.gitlab.com/api/repositories/#compare-branches-tags-or-commits"""
        query = request.query
        _token, repository, older = await self._commit(request, CONTENTS, query.get("from", ""))
        _token, repository, newer = await self._commit(request, CONTENTS, query.get("to", ""))
        git = self._context.git(repository)
        start = older if query.get("straight") == "true" else (await git.run("merge-base", older, newer)).strip()
        files = await git.differences(start, newer)
        commits = await git.commits("--reverse", f"{start}..{newer}")
        return answer(
            {
                "commit": self._shapes.commit(repository, await git.commit(newer)),
                "commits": [self._shapes.commit(repository, one) for one in commits],
                "diffs": [
                    {
                        "old_path": old or new,
                        "new_path": new or old,
                        "new_file": old is None,
                        "deleted_file": new is None,
                        "renamed_file": False,
                        "diff": "",
                    }
                    for old, new in files
                ],
                "compare_timeout": False,
                "compare_same_ref": older == newer,
            }
        )

    async def archive(self, request: web.Request) -> web.StreamResponse:
        """https://docs.gitlab.com/api/repositories/#get-file-archive"""
        named = request.query.get("sha", "")
        _token, repository, sha = await self._commit(request, CONTENTS, named, missing="404 File Not Found")
        # The folder ends with the ref as it was asked for, and with the commit.
        folder = "-".join([repository.name, *([re.sub(r"/", "-", named)] if named and named != sha else []), sha])
        return await send_archive(request, self._context.git(repository), sha, folder)

    async def deploy_keys(self, request: web.Request) -> web.Response:
        _token, repository = project(self._context, request, READ_KEYS)
        items, headers = self._page(request, self._store.deploy_keys(repository))
        return answer([self._shapes.deploy_key(key) for key in items], headers=headers)

    async def add_deploy_key(self, request: web.Request) -> web.Response:
        """https://docs.gitlab.com/api/deploy_keys/#add-deploy-key-for-a-project

        A key that is here already is answered as if it were new. One that is elsewhere is taken, as for a caller who
        does not administrate that project.
        """
        token, repository = project(self._context, request, WRITE_KEYS)
        body = await json_object(request)
        text = str(body.get("key") or "")
        for key in self._store.deploy_keys(repository):
            if key.key == text:
                return answer(self._shapes.deploy_key(key), 201)
        try:
            added = self._store.add_deploy_key(
                repository,
                title=str(body.get("title") or ""),
                key=text,
                read_only=body.get("can_push") is not True,
                added_by=token.user.login,
            )
        except KeyTaken:
            raise ApiError(400, "", body=_TAKEN) from None
        except ValueError:
            raise ApiError(400, "", body=_NO_KEY) from None
        return answer(self._shapes.deploy_key(added), 201)

    async def deploy_key(self, request: web.Request) -> web.Response:
        return answer(self._shapes.deploy_key(self._key(request, READ_KEYS)))

    async def delete_deploy_key(self, request: web.Request) -> web.Response:
        self._store.delete_deploy_key(self._key(request, WRITE_KEYS))
        return web.Response(status=204)

    def _key(self, request: web.Request, need: Need) -> DeployKey:
        _token, repository = project(self._context, request, need)
        wanted = number(request.match_info["id"])
        for key in self._store.deploy_keys(repository):
            if key.id == wanted:
                return key
        raise not_found()

    async def add_status(self, request: web.Request) -> web.Response:
        """https://docs.gitlab.com/api/commits/#set-commit-pipeline-status"""
        token, repository, sha = await self._commit(request, WRITE_STATUSES, request.match_info["sha"])
        body = await json_object(request)
        state, name = str(body.get("state")), str(body.get("name") or body.get("context") or "default")
        if state not in _STATES:
            raise ApiError(400, "", body={"error": "state does not have a valid value"})
        before = next((one for one in self._store.statuses(repository, sha) if one.context == name), None)
        if before and before.state == state:
            event = _EVENTS.get(state, state)
            words = f"Cannot transition status via :{event} from :{state} (Reason(s): Status cannot transition via"
            raise ApiError(400, "", body={"message": f'{words} "{event}")'})
        status = self._store.add_status(
            repository,
            sha=sha,
            state=state,
            context=name,
            target_url=body.get("target_url"),
            description=body.get("description"),
            creator=token.user.login,
        )
        return answer(self._shapes.status(status), 201)

    async def statuses(self, request: web.Request) -> web.Response:
        _token, repository, sha = await self._commit(request, CONTENTS, request.match_info["ref"])
        items, headers = self._page(request, self._store.statuses(repository, sha))
        return answer([self._shapes.status(one) for one in items], headers=headers)

    async def _commit(
        self, request: web.Request, need: Need, name: str, *, missing: str = "404 Commit Not Found"
    ) -> tuple[Token, Repository, str]:
        token, repository = project(self._context, request, need)
        sha = await self._context.git(repository).resolve(name or repository.default_branch)
        if sha is None:
            raise ApiError(404, "", body={"message": missing})
        return token, repository, sha

    def _page(self, request: web.Request, items: Sequence[Any]) -> tuple[list[Any], dict[str, str]]:
        return page(request, self._context.address.url, items)

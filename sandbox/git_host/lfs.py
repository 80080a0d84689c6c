"""Git LFS: objects beside a repository, opened over SSH and moved over HTTPS.

https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md
"""

import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from sandbox.git_host.records import Json, Repository
from sandbox.git_host.store import Store

AUTHENTICATE = "git-lfs-authenticate"
_MEDIA_TYPE = "application/vnd.git-lfs+json"
_TOKEN_SECONDS = 600
_CHUNK = 1 << 20
_OID = re.compile(r"[0-9a-f]{64}")
_NOT_FOUND: Json = {"message": "Not found"}


class LfsServer:
    """The objects of every repository, and the HTTPS side of them.

    Args:
        store: knows the repositories.
        root: where the objects lie.
        url: the host's address, asked for when it is needed.
    """

    def __init__(self, store: Store, root: Path, url: Callable[[], str]) -> None:
        self._store, self._root, self._url = store, root, url
        self._tokens: dict[str, tuple[int, str, float]] = {}

    def path(self, repository: Repository, oid: str) -> Path:
        """Where an object lies, or would."""
        return self._root / str(repository.id) / oid

    def put(self, repository: Repository, data: bytes) -> str:
        """Keep an object; returns its id. What a push with git-lfs does over HTTPS."""
        oid = hashlib.sha256(data).hexdigest()
        path = self.path(repository, oid)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return oid

    def authenticate(self, repository: Repository, operation: str) -> bytes:
        """What `git-lfs-authenticate` prints for who may do this: `download` or `upload`."""
        token = secrets.token_urlsafe(24)
        self._tokens[token] = (repository.id, operation, time.monotonic() + _TOKEN_SECONDS)
        answer = {
            "href": self._base(repository),
            "header": {"Authorization": f"RemoteAuth {token}"},
            "expires_in": _TOKEN_SECONDS,
        }
        return json.dumps(answer).encode()

    def routes(self) -> list[web.RouteDef]:
        """What this part answers."""
        base = "/{owner:.+}/{repo:[^/]+}.git/info/lfs/objects"
        return [
            web.post(base + "/batch", self.batch),
            web.get(base + "/{oid:[0-9a-f]{64}}", self.download),
            web.put(base + "/{oid:[0-9a-f]{64}}", self.upload),
        ]

    async def batch(self, request: web.Request) -> web.Response:
        """Says of each object where to get or to bring it."""
        try:
            asked = await request.json()
            operation, objects = asked["operation"], asked["objects"]
            wanted = [(str(each["oid"]), int(each["size"])) for each in objects]
        except (ValueError, KeyError, TypeError):
            return _answer({"message": "The request is no batch"}, 422)
        repository = self._opened(request, operation)
        if repository is None:
            return _answer(_NOT_FOUND, 404)
        found = [self._object(repository, operation, request.headers["Authorization"], *each) for each in wanted]
        return _answer({"transfer": "basic", "objects": found, "hash_algo": "sha256"})

    async def download(self, request: web.Request) -> web.StreamResponse:
        """An object's bytes."""
        repository = self._opened(request, "download")
        path = self.path(repository, request.match_info["oid"]) if repository else None
        if path is None or not path.exists():
            return _answer(_NOT_FOUND, 404)
        return web.FileResponse(path, headers={"Content-Type": "application/octet-stream"})

    async def upload(self, request: web.Request) -> web.Response:
        """Keeps an object that is what it says."""
        repository, oid = self._opened(request, "upload"), request.match_info["oid"]
        if repository is None:
            return _answer(_NOT_FOUND, 404)
        path, digest = self.path(repository, oid), hashlib.sha256()
        path.parent.mkdir(parents=True, exist_ok=True)
        arriving = path.with_name(f"{oid}.{secrets.token_hex(4)}")
        try:
            with arriving.open("xb") as file:
                async for chunk in request.content.iter_chunked(_CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
            if digest.hexdigest() != oid:
                return _answer({"message": "The SHA-256 does not match"}, 422)
            arriving.rename(path)
        finally:
            arriving.unlink(missing_ok=True)
        return web.Response()

    def _object(self, repository: Repository, operation: str, authorization: str, oid: str, size: int) -> Json:
        answer: Json = {"oid": oid, "size": size, "authenticated": True}
        there = _OID.fullmatch(oid) is not None and self.path(repository, oid).exists()
        if operation == "download" and not there:
            return answer | {"error": {"code": 404, "message": "Object does not exist"}}
        if operation == "upload" and there:
            return answer
        action = {"href": f"{self._base(repository)}/objects/{oid}", "header": {"Authorization": authorization}}
        return answer | {"actions": {operation: action}}

    def _opened(self, request: web.Request, operation: str) -> Repository | None:
        """The repository of the request's path, if its token opens it for this; who may write may read."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        opened, allowed, until = self._tokens.get(token if scheme == "RemoteAuth" else "", (0, "", 0.0))
        repository = self._store.repository(request.match_info["owner"], request.match_info["repo"])
        enough = allowed in {operation, "upload"}
        return repository if repository and repository.id == opened and enough and time.monotonic() < until else None

    def _base(self, repository: Repository) -> str:
        return f"{self._url()}/{repository.full_name}.git/info/lfs"


def _answer(body: Json, status: int = 200) -> web.Response:
    return web.json_response(body, status=status, content_type=_MEDIA_TYPE)

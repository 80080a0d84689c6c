"""Webhooks of repositories and their deliveries.

https://docs.github.com/en/rest/repos/webhooks
"""

from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.git_host.access import (
    DELETE_HOOKS,
    READ_HOOKS,
    WRITE_HOOKS,
    Need,
    answer,
    invalid,
    json_object,
    not_found,
    number,
    page_of,
)
from sandbox.git_host.dialects.base import Dialect
from sandbox.git_host.dialects.github import events
from sandbox.git_host.dialects.github.shapes import Shapes
from sandbox.git_host.messages import Message
from sandbox.git_host.records import Hook, HookDelivery, Json, Repository, Token, now

_MAX_HOOKS = 20
_EVENTS = frozenset({"*", "push", "ping", "create", "delete", "pull_request", "release", "status", "repository"})
_UNUSED: Json = {"code": None, "status": "unused", "message": None}


class HooksApi:
    """Handlers, one a route."""

    def __init__(self, dialect: Dialect, shapes: Shapes) -> None:
        self._dialect = dialect
        self._context = dialect.context
        self._store = dialect.context.store
        self._shapes = shapes

    def routes(self) -> list[web.RouteDef]:
        """What this part answers."""
        hooks = "/repos/{owner}/{repo}/hooks"
        return [
            web.get(hooks, self.hooks),
            web.post(hooks, self.create),
            web.get(hooks + "/{id}", self.get),
            web.patch(hooks + "/{id}", self.update),
            web.delete(hooks + "/{id}", self.delete),
            web.get(hooks + "/{id}/config", self.get_config),
            web.patch(hooks + "/{id}/config", self.update_config),
            web.post(hooks + "/{id}/pings", self.ping),
            web.get(hooks + "/{id}/deliveries", self.deliveries),
            web.get(hooks + "/{id}/deliveries/{delivery}", self.delivery),
            web.post(hooks + "/{id}/deliveries/{delivery}/attempts", self.redeliver),
        ]

    async def hooks(self, request: web.Request) -> web.Response:
        _token, repository = self._context.sender(request, READ_HOOKS)
        items, headers = page_of(request, self._shapes.url, self._dialect.hooks(repository))
        return answer([self._shapes.hook(repository, hook) for hook in items], headers=headers)

    async def create(self, request: web.Request) -> web.Response:
        token, repository = self._context.sender(request, WRITE_HOOKS)
        body = await json_object(request)
        fields = self._config(body.get("config"))
        fields["events"] = self._events(body.get("events", ["push"]))
        hooks = self._dialect.hooks(repository)
        if any(hook.url == fields["url"] and sorted(hook.events) == sorted(fields["events"]) for hook in hooks):
            raise invalid("Hook", "Hook already exists on this repository")
        if len(hooks) >= _MAX_HOOKS:
            raise invalid("Hook", f'The "{fields["events"][0]}" event cannot have more than {_MAX_HOOKS} hooks')
        active = bool(body.get("active", True))
        fields |= {"dialect": self._dialect.kind, "active": active, "last_response": _UNUSED}
        hook = self._store.add_hook(repository, **fields)
        self._ping(repository, hook, token)
        shape = self._shapes.hook(repository, hook)
        return answer(shape, 201, {"Location": shape["url"]})

    async def get(self, request: web.Request) -> web.Response:
        _token, repository, hook = self._found(request, READ_HOOKS)
        return answer(self._shapes.hook(repository, hook))

    async def update(self, request: web.Request) -> web.Response:
        _token, repository, hook = self._found(request, WRITE_HOOKS)
        body = await json_object(request)
        fields: dict[str, Any] = {"updated_at": now()}
        if "config" in body:
            # As on GitHub, a config without a secret takes the secret away.
            fields |= self._config(body["config"])
        wanted = self._events(body["events"]) if "events" in body else hook.events
        wanted = [*wanted, *(one for one in self._events(body.get("add_events", [])) if one not in wanted)]
        fields["events"] = [one for one in wanted if one not in body.get("remove_events", [])]
        if "active" in body:
            fields["active"] = bool(body["active"])
        self._store.update_hook(hook, **fields)
        return answer(self._shapes.hook(repository, self._again(repository, hook)))

    async def delete(self, request: web.Request) -> web.Response:
        _token, _repository, hook = self._found(request, DELETE_HOOKS)
        self._store.delete_hook(hook)
        return web.Response(status=204)

    async def get_config(self, request: web.Request) -> web.Response:
        _token, _repository, hook = self._found(request, READ_HOOKS)
        return answer(self._shapes.hook_config(hook))

    async def update_config(self, request: web.Request) -> web.Response:
        _token, repository, hook = self._found(request, WRITE_HOOKS)
        body = await json_object(request)
        merged = {"url": hook.url, "content_type": hook.content_type, "secret": hook.secret}
        merged |= {"insecure_ssl": "1" if hook.insecure_ssl else "0"} | body
        self._store.update_hook(hook, updated_at=now(), **self._config(merged))
        return answer(self._shapes.hook_config(self._again(repository, hook)))

    async def ping(self, request: web.Request) -> web.Response:
        token, repository, hook = self._found(request, READ_HOOKS)
        self._ping(repository, hook, token)
        return web.Response(status=204)

    async def deliveries(self, request: web.Request) -> web.Response:
        _token, repository, hook = self._found(request, READ_HOOKS)
        size = min(max(number(request.query.get("per_page", "30")), 1), 100)
        cursor = request.query.get("cursor")
        found = self._store.hook_deliveries(hook, before=number(cursor) if cursor else None, limit=size + 1)
        headers = {}
        if len(found) > size:
            query = request.rel_url.update_query(cursor=str(found[size - 1].id)).query_string
            headers["Link"] = f'<{self._shapes.url}{request.path}?{query}>; rel="next"'
        return answer([self._shapes.hook_delivery(repository, one) for one in found[:size]], headers=headers)

    async def delivery(self, request: web.Request) -> web.Response:
        _token, repository, hook = self._found(request, READ_HOOKS)
        return answer(self._shapes.hook_delivery(repository, self._delivery(request, hook), full=True))

    async def redeliver(self, request: web.Request) -> web.Response:
        _token, repository, hook = self._found(request, WRITE_HOOKS)
        self._context.webhooks.send_again(repository, hook, self._delivery(request, hook), self._dialect)
        return answer({}, 202)

    def _found(self, request: web.Request, need: Need) -> tuple[Token, Repository, Hook]:
        token, repository = self._context.sender(request, need)
        hook = self._dialect.hook(repository, number(request.match_info["id"]))
        if hook is None:
            raise not_found()
        return token, repository, hook

    def _again(self, repository: Repository, hook: Hook) -> Hook:
        found = self._dialect.hook(repository, hook.id)
        if found is None:
            raise not_found()
        return found

    def _delivery(self, request: web.Request, hook: Hook) -> HookDelivery:
        found = self._store.hook_delivery(hook, number(request.match_info["delivery"]))
        if found is None:
            raise not_found()
        return found

    def _ping(self, repository: Repository, hook: Hook, token: Token) -> None:
        owner = self._store.user(repository.owner)
        payload = events.ping(self._shapes, repository, owner, hook, token.user)
        self._dialect.send(repository, hook, Message("ping", payload))

    def _config(self, config: Any) -> dict[str, Any]:
        if not isinstance(config, dict) or not isinstance(config.get("url"), str):
            raise invalid("Hook", "Config must contain URL for webhooks", "config")
        url = urlsplit(config["url"])
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise invalid("Hook", "url is not a supported URL", "url")
        content_type = config.get("content_type", "form")
        if content_type not in {"json", "form"}:
            raise invalid("Hook", "content_type must be json or form", "content_type")
        return {
            "url": config["url"],
            "content_type": content_type,
            "insecure_ssl": str(config.get("insecure_ssl", "0")) == "1",
            "secret": str(config.get("secret") or ""),
        }

    def _events(self, names: Any) -> list[str]:
        unknown = not isinstance(names, list) or [name for name in names if name not in _EVENTS]
        if unknown:
            raise invalid("Hook", f"These events are not supported here: {unknown}", "events")
        return [str(name) for name in names]

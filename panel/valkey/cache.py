"""Django's cache in Valkey: signed JSON, and an answer to every call when there is no Valkey."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import RedisError

from panel.valkey import breaker
from panel.valkey.signatures import sign, signed

T = TypeVar("T")
COUNTER = "counter:"
_COUNT = re.compile(rb"-?[0-9]{1,18}")
_SIGNATURE = 64


class Client(RedisCacheClient):
    """Keeps `<signature><JSON>`, signed for the entry's own name: a value moved to another name counts as missing.

    Entries whose name begins with COUNTER hold a whole number as it is, as INCR wants it: the one thing that who can
    write to Valkey may put in. Under every other name an unsigned number counts as missing too, as libraries that use
    the cache do not expect a number where they stored a list.
    """

    def __init__(self, servers: list[str], **options: Any) -> None:
        super().__init__(servers, **{**breaker.quick(), **options})
        self._breaker = breaker.of(servers[0])

    def encode(self, key: Any, value: Any) -> int | str:
        """What is stored for a value. Raises TypeError or ValueError for what JSON cannot say, or a counter cannot."""
        if _counts(key):
            if type(value) is not int or not _COUNT.fullmatch(str(value).encode()):
                raise ValueError(f"A name that begins with {COUNTER} is of a whole number.")
            return value
        text = json.dumps(value, allow_nan=False)
        return sign(str(key), text) + text

    def decode(self, key: Any, data: Any, default: Any) -> Any:
        """The value that was stored, or the default for what was not stored by us."""
        if data is None:
            return default
        if _counts(key):
            return int(data) if _COUNT.fullmatch(data) else default
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return default
        signature, text = text[:_SIGNATURE], text[_SIGNATURE:]
        return json.loads(text) if signed(str(key), text, signature) else default

    def _ask(self, otherwise: T, call: Callable[..., T], *args: Any) -> T:
        if not self._breaker.closed():
            return otherwise
        try:
            return call(*args)
        except breaker.UNREACHABLE as error:
            self._breaker.failed(error)
        except RedisError as error:
            self._breaker.refused(error)
        return otherwise

    def add(self, key: Any, value: Any, timeout: Any) -> bool:
        client, data = self.get_client(key, write=True), self.encode(key, value)
        if timeout == 0:
            return not self._ask(1, client.exists, key)
        return self._ask(False, lambda: bool(client.set(key, data, ex=timeout, nx=True)))

    def get(self, key: Any, default: Any) -> Any:
        return self.decode(key, self._ask(None, self.get_client(key).get, key), default)

    def set(self, key: Any, value: Any, timeout: Any) -> None:
        client, data = self.get_client(key, write=True), self.encode(key, value)
        if timeout == 0:
            self.delete(key)
        else:
            self._ask(None, lambda: client.set(key, data, ex=timeout))

    def touch(self, key: Any, timeout: Any) -> bool:
        return self._ask(False, super().touch, key, timeout)

    def delete(self, key: Any) -> bool:
        return self._ask(False, super().delete, key)

    def get_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        names, missing = list(keys), object()
        stored: list[Any] = self._ask([], self.get_client(None).mget, names)
        values = {key: self.decode(key, data, missing) for key, data in zip(names, stored, strict=False)}
        return {key: value for key, value in values.items() if value is not missing}

    def has_key(self, key: Any) -> bool:
        return self._ask(False, super().has_key, key)

    def incr(self, key: Any, delta: int) -> int:
        if not _counts(key):
            raise ValueError(f"Only a name that begins with {COUNTER} counts.")
        counted: int | None = self._ask(None, super().incr, key, delta)
        if counted is None:
            raise ValueError("There is no such counter, or no Valkey that counts.")
        return counted

    def set_many(self, data: Mapping[Any, Any], timeout: Any) -> None:
        for key, value in data.items():
            self.set(key, value, timeout)

    def delete_many(self, keys: Iterable[Any]) -> None:
        self._ask(None, super().delete_many, keys)

    def clear(self) -> bool:
        return self._ask(False, super().clear)


def _counts(key: Any) -> bool:
    """Whether an entry is a counter. `key` is `<prefix>:<version>:<name>`, as Django makes it."""
    return str(key).split(":", 2)[-1].startswith(COUNTER)


class ValkeyCache(RedisCache):
    """The cache that settings name; like an empty one that forgets at once while Valkey does not answer.

    `get` then gives the default, `add` and `delete` False, `incr` and `decr` ValueError as for a missing entry, and
    `set` does nothing. The same holds for a single call that Valkey refuses: out of memory, read-only, or an entry of
    another type. Nothing of redis-py's errors comes out.
    """

    def __init__(self, server: str | list[str], params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = Client

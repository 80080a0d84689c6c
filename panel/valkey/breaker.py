"""Asks nothing of a server that does not answer, so that requests do not wait for it again and again."""

import logging
import threading
import time
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as NoAnswer
from redis.retry import Retry

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 0.3
ANSWER_SECONDS = 0.4
"""Connecting and one answer: together less than a second, which is what the first failure costs a request."""
PROBE_KEY = "sluice:probe"
SHORTEST_PAUSE, LONGEST_PAUSE = 2.0, 30.0
"""Seconds between two attempts to reach a server that is down; they double while it answers only the attempts."""
TELL_SECONDS = 60.0

UNREACHABLE = (NoConnection, NoAnswer)
"""What costs time, and so opens the breaker. A refusal, such as out of memory or read-only, comes at once."""


class Breaker:
    """Knows whether one server answers; one for all threads of a process, and for cache and messages together.

    Open, it costs nothing to ask. The first question after a pause starts an attempt in a thread of its own, which
    closes the breaker when the server takes a write; the one who asked does not wait for it.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._open = False
        self._pause = SHORTEST_PAUSE
        self._next_attempt = 0.0
        self._closed_at = 0.0
        self._told_at = -TELL_SECONDS

    def closed(self) -> bool:
        """Whether the server may be asked."""
        if not self._open:
            return True
        with self._lock:
            due = self._open and time.monotonic() >= self._next_attempt
            if due:
                self._next_attempt = time.monotonic() + self._pause + CONNECT_SECONDS + ANSWER_SECONDS
        if due:
            threading.Thread(target=self._attempt, name="valkey-attempt", daemon=True).start()
        return False

    def failed(self, error: BaseException) -> None:
        """Note that the server did not answer: nobody asks it again until an attempt reached it."""
        with self._lock:
            if self._open:
                return
            soon = time.monotonic() - self._closed_at < LONGEST_PAUSE
            self._pause = min(2 * self._pause, LONGEST_PAUSE) if soon else SHORTEST_PAUSE
            self._open, self._next_attempt = True, time.monotonic() + self._pause
        logger.warning("Valkey does not answer (%s); going on without it.", type(error).__name__)

    def refused(self, error: BaseException) -> None:
        """Tell the log, once a minute, that the server answers and does not do what it is asked."""
        with self._lock:
            due = time.monotonic() - self._told_at >= TELL_SECONDS
            if due:
                self._told_at = time.monotonic()
        if due:
            logger.warning("Valkey refuses what it is asked: %s: %s", type(error).__name__, error)

    def _attempt(self) -> None:
        client = Redis.from_url(self._url, **quick())
        try:
            # A write: a server whose writes are paused answers a ping.
            client.set(PROBE_KEY, 1, ex=10)
        except ResponseError as error:
            self.refused(error)
        except (RedisError, OSError):
            return
        finally:
            client.close()
        with self._lock:
            self._open, self._closed_at = False, time.monotonic()
        logger.warning("Valkey answers again.")


def quick() -> dict[str, Any]:
    """Options of redis-py for who must not wait; a connection that was lost meanwhile is made again once."""
    return {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "retry": Retry(NoBackoff(), 1, supported_errors=(NoConnection,)),
    }


_breakers: dict[str, Breaker] = {}


def of(url: str) -> Breaker:
    """The breaker of this process for the server at the address."""
    return _breakers.setdefault(url, Breaker(url))

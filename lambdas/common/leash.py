"""Messages that a worker holds: hidden only for as long as its process lives.

A message is hidden for half a minute at a time, and again while the work goes on. So a process that dies, however it
does, gives its messages back within that time, and not when the longest fetch that there may be would have ended.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common import log

HIDDEN_SECONDS = 30
RENEW_SECONDS = 10.0

Hide = Callable[[str, int], None]
"""(receipt handle, seconds from now). Raises botocore's errors."""


class Leash:
    """What is held now. Made by `holding`."""

    def __init__(self, hide: Hide, receipts: Iterable[str]) -> None:
        self._hide, self._held = hide, set(receipts)
        self._lock = threading.Lock()

    def release(self, receipt: str, seconds: int | None = None) -> None:
        """Hold a message no more. `seconds`: when it may come back; None leaves that, as for one that is done with."""
        with self._lock:
            self._held.discard(receipt)
            if seconds is not None:
                self._quietly(receipt, seconds)

    def renew(self) -> None:
        """Hide what is held for another while."""
        with self._lock:
            for receipt in self._held:
                self._quietly(receipt, HIDDEN_SECONDS)

    def _quietly(self, receipt: str, seconds: int) -> None:
        # A message that cannot be hidden comes back early and finds its delivery stored; it is no reason to stop.
        try:
            self._hide(receipt, seconds)
        except (BotoCoreError, ClientError) as error:
            log.exception("visibility_not_changed", error, seconds=seconds)


@contextmanager
def holding(hide: Hide, receipts: Iterable[str]) -> Iterator[Leash]:
    """Hold messages while the block runs."""
    leash, done = Leash(hide, receipts), threading.Event()

    def renew() -> None:
        while not done.wait(RENEW_SECONDS):
            leash.renew()

    leash.renew()
    thread = threading.Thread(target=renew, name="leash", daemon=True)
    thread.start()
    try:
        yield leash
    finally:
        done.set()
        thread.join()

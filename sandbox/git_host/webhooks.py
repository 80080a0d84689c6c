"""Sends events to webhooks, signed, and records what came back."""

import asyncio
import logging
import socket
import ssl
import time
import uuid
from collections.abc import Coroutine
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from sandbox.git_host.messages import Envelope, Message, Writer
from sandbox.git_host.records import Hook, HookDelivery, Repository, now
from sandbox.git_host.store import Store

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
_KEPT_RESPONSE_BYTES = 64 * 1024


class LocalhostResolver(AbstractResolver):
    """Finds `localhost` and all names below it at 127.0.0.1 (RFC 6761, section 6.3); the system finds others."""

    def __init__(self) -> None:
        self._system = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host."""
        if host == "localhost" or host.endswith(".localhost"):
            return [
                ResolveResult(
                    hostname=host,
                    host="127.0.0.1",
                    port=port,
                    family=socket.AF_INET,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
            ]
        return await self._system.resolve(host, port, family)

    async def close(self) -> None:
        """Nothing is open."""
        await self._system.close()


class Webhooks:
    """Delivers in the background, each delivery on its own: one attempt, no order promised.

    Args:
        store: where deliveries are recorded.
        trust: TLS of hosts that payloads go to.
    """

    def __init__(self, store: Store, trust: ssl.SSLContext) -> None:
        self._store = store
        self._trust = trust
        self._running: set[asyncio.Task[int]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Get ready to send."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=LocalhostResolver(), limit=50),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def stop(self) -> None:
        """Give up what is under way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._session:
            await self._session.close()

    def send(self, repository: Repository, hook: Hook, message: Message, writer: Writer) -> None:
        """Send something to one webhook."""
        self._in_background(self.send_now(repository, hook, message, writer))

    async def send_now(self, repository: Repository, hook: Hook, message: Message, writer: Writer) -> int:
        """Send something to one webhook, and return the status that was answered, 0 for none."""
        envelope = Envelope(repository, hook, message.event, str(uuid.uuid4()), message.payload)
        return await self._deliver(envelope, writer, redelivery=False)

    def send_again(self, repository: Repository, hook: Hook, delivery: HookDelivery, writer: Writer) -> None:
        """Send the delivery's event again, under the same id, signed with the secret of now."""
        self._in_background(self.send_again_now(repository, hook, delivery, writer))

    async def send_again_now(self, repository: Repository, hook: Hook, delivery: HookDelivery, writer: Writer) -> int:
        """As `send_again`, and return the status that was answered, 0 for none."""
        envelope = Envelope(repository, hook, delivery.event, delivery.guid, delivery.request_payload)
        return await self._deliver(envelope, writer, redelivery=True)

    def _in_background(self, work: Coroutine[Any, Any, int]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _deliver(self, envelope: Envelope, writer: Writer, *, redelivery: bool) -> int:
        hook = envelope.hook
        body = writer.encode(envelope)
        headers = {"Accept": "*/*", "Content-Type": "application/json"} | writer.sign(envelope, body)
        started = time.monotonic()
        code, status, answer_headers, answer = await self._post(hook, body, headers)
        word = "active" if 0 < code < 400 else "misconfigured"
        self._store.update_hook(
            hook, last_response={"code": code or None, "status": word, "message": None if code else status}
        )
        self._store.add_hook_delivery(
            hook,
            guid=envelope.guid,
            event=envelope.event,
            redelivery=redelivery,
            delivered_at=now(),
            duration=time.monotonic() - started,
            status=status,
            status_code=code,
            request_headers=headers,
            request_payload=envelope.payload,
            response_headers=answer_headers,
            response_body=answer,
            url=hook.url,
        )
        return code

    async def _post(self, hook: Hook, body: bytes, headers: dict[str, str]) -> tuple[int, str, dict[str, str], str]:
        """Returns the status code (0 when none came), GitHub's word for it, the headers and the body."""
        assert self._session
        try:
            async with self._session.post(
                URL(hook.url, encoded=True),
                data=body,
                headers=headers,
                allow_redirects=False,
                ssl=False if hook.insecure_ssl else self._trust,
            ) as response:
                kept = await _read_up_to(response.content, _KEPT_RESPONSE_BYTES)
                status = "OK" if response.status < 400 else f"Invalid HTTP Response: {response.status}"
                return response.status, status, dict(response.headers), kept.decode(errors="replace")
        except TimeoutError:
            return 0, "timed out", {}, ""
        except (aiohttp.ClientError, OSError, ValueError) as error:
            log.warning("webhook %s could not be reached: %s", hook.id, error)
            return 0, "failed to connect to host", {}, ""


async def _read_up_to(content: aiohttp.StreamReader, most: int) -> bytes:
    kept = b""
    while len(kept) < most and (chunk := await content.read(most - len(kept))):
        kept += chunk
    return kept

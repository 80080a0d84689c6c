"""Messages to workers: signed by who sends them, and dropped unread where the signature is not the panel's."""

import json
import logging
from typing import Any

import redis
from kombu.transport import redis as kombu_redis
from kombu.utils.json import dumps
from redis.backoff import NoBackoff
from redis.retry import Retry

from panel.valkey.signatures import sign, signed

logger = logging.getLogger(__name__)
_SIGNATURE = "signature"


class _Reader(redis.Redis):
    """Hands on only what the panel put on a queue; kombu then finds an empty queue."""

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        answer = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        if command_name == "BRPOP" and answer and not _ours(*answer):
            logger.warning("A message that the panel did not send was dropped.")
            return None
        return answer


class Channel(kombu_redis.Channel):
    """Signs each message with its queue's name."""

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        plain = json.loads(dumps(message))
        super()._put(queue, {**message, _SIGNATURE: _signature(queue, plain)}, **kwargs)

    def _get_client(self) -> type[_Reader]:
        return _Reader

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        params: dict[str, Any] = super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]
        if not asynchronous:
            # A connection that Valkey closed meanwhile is made again once, in place of a lost message.
            params["retry"] = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
        return params


class Transport(kombu_redis.Transport):
    """What `CELERY_BROKER_TRANSPORT` names."""

    Channel = Channel


def _signature(queue: str, message: dict[str, Any]) -> str:
    return sign(f"message:{queue}", json.dumps(message, sort_keys=True))


def _ours(queue: bytes, data: bytes) -> bool:
    try:
        message = json.loads(data)
        signature = message.pop(_SIGNATURE)
        name = queue.decode()
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError, IndexError):
        return False
    return isinstance(message, dict) and signed(f"message:{name}", json.dumps(message, sort_keys=True), signature)

"""Log lines that people and metric filters can both read: one JSON object each."""

import json
import logging

_logger = logging.getLogger("sluice")
_logger.setLevel(logging.INFO)


def info(event: str, **fields: object) -> None:
    """Log that something happened. Never pass a secret, a header or a body."""
    _logger.info("%s", _line(event, fields))


def exception(event: str, error: BaseException, **fields: object) -> None:
    """Log an exception with its traceback."""
    _logger.error("%s", _line(event, fields), exc_info=error)


def _line(event: str, fields: dict[str, object]) -> str:
    return json.dumps({"event": event, **fields}, default=str)

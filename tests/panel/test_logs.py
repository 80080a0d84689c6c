import logging
import logging.config
from io import StringIO

import pytest
from django.conf import settings as configured


@pytest.fixture
def written() -> StringIO:
    """What the handlers of the settings write."""
    config, stream = configured.LOGGING, StringIO()
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": config["formatters"],
            "handlers": {"console": {**config["handlers"]["console"], "stream": stream}},
            "loggers": {"forged": {"handlers": ["console"], "level": "INFO", "propagate": False}},
        }
    )
    return stream


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1b[2J", "\x85", "\u2028", "\x00"])
def test_nobody_begins_a_line_of_the_log(written: StringIO, end: str) -> None:
    logging.getLogger("forged").error("Internal Server Error: %s", f"/api/{end}2026-11-28 INFO teams root signed in")
    assert len(written.getvalue().splitlines()) == 1
    assert end not in written.getvalue().removesuffix("\n")


def test_a_traceback_keeps_its_lines(written: StringIO) -> None:
    try:
        raise ValueError("wrong")
    except ValueError as error:
        logging.getLogger("forged").error("failed", exc_info=error)
    assert len(written.getvalue().splitlines()) > 3

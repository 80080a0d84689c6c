"""`manage.py sweep`: hands out the leases that dead workers held."""

import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection

from deployers.services import operations

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Hand out expired leases, every second, until a signal comes. Run one or several."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="pause between two sweeps")
        parser.add_argument("--once", action="store_true", help="sweep once and end")

    def handle(self, *args: Any, every: float, once: bool, **options: Any) -> None:  # noqa: ARG002
        ended = threading.Event()
        if not once:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: ended.set())
        while not ended.is_set():
            try:
                if expired := operations.sweep():
                    logger.info("handed out %d expired leases", expired)
            except DatabaseError as error:
                if once:
                    raise
                # A database that restarts is no reason to end: there is nothing else that sweeps.
                logger.warning("cannot sweep: %s", error)
                connection.close()
            if once:
                return
            ended.wait(every)

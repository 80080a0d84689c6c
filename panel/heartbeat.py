"""Shows from outside that a worker's loop runs, without a question through Valkey that anybody could answer."""

from pathlib import Path
from typing import Any

from celery import bootsteps
from django.conf import settings

SECONDS = 10.0


class Heartbeat(bootsteps.StartStopStep):
    """Touches the file that `SLUICE_WORKER_HEARTBEAT` names, every ten seconds, while the worker's loop runs."""

    requires = ("celery.worker.components:Timer",)

    def start(self, worker: Any) -> None:
        if settings.WORKER_HEARTBEAT:
            Path(settings.WORKER_HEARTBEAT).touch()
            worker.timer.call_repeatedly(SECONDS, Path(settings.WORKER_HEARTBEAT).touch)

"""The Celery application: `celery -A panel worker` and `celery -A panel beat`."""

import os
from typing import Any

from celery import Celery
from celery.result import AsyncResult
from kombu import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError, ResponseError

from panel.heartbeat import Heartbeat
from panel.valkey import breaker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "panel.settings")


class Panel(Celery):
    """A Celery application that never waits long for its broker, as people wait for it."""

    def connection_for_write(self, url: str | None = None, **kwargs: Any) -> Connection:
        """A connection that gives up within a second; workers read through others, which try again."""
        quick = {"socket_connect_timeout": breaker.CONNECT_SECONDS, "socket_timeout": breaker.ANSWER_SECONDS}
        kwargs["transport_options"] = {**quick, "max_retries": 0, **(kwargs.get("transport_options") or {})}
        return super().connection_for_write(url, **kwargs)

    def send_task(self, *args: Any, **kwargs: Any) -> AsyncResult[Any]:
        """Send a message, or raise OperationalError: at once while the breaker is open, else within a second."""
        valkey = breaker.of(self.conf.broker_url)
        if not valkey.closed():
            raise OperationalError("Valkey does not answer.")
        try:
            return super().send_task(*args, **{**kwargs, "retry": False})
        except (RedisError, OSError, OperationalError) as error:
            cause = error.__cause__ or error
            (valkey.refused if isinstance(cause, ResponseError) else valkey.failed)(cause)
            raise OperationalError(f"No message was sent: {type(cause).__name__}.") from error


app = Panel("sluice")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(Heartbeat)
app.conf.beat_schedule = {
    "tick": {"task": "deployers.tasks.tick", "schedule": 1.0, "options": {"expires": 3}},
    "check-providers": {"task": "integrations.tasks.check_providers", "schedule": 600.0},
    "check-accounts": {"task": "deployers.tasks.check_accounts", "schedule": 600.0, "options": {"expires": 600}},
    "check-host-keys": {"task": "integrations.tasks.check_host_keys", "schedule": 600.0},
    "check-ssh-keys": {"task": "integrations.tasks.check_ssh_keys", "schedule": 60.0, "options": {"expires": 60}},
    "credentials": {"task": "deployers.tasks.follow_credentials", "schedule": 5.0, "options": {"expires": 5}},
    "rotate-ssh-keys": {"task": "deployers.tasks.rotate_due_ssh_keys", "schedule": 60.0, "options": {"expires": 60}},
    "finish-revocations": {
        "task": "deployers.tasks.finish_revocations",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "renamed": {"task": "integrations.tasks.look_for_renamed", "schedule": 60.0, "options": {"expires": 60}},
    "obstacles": {"task": "integrations.tasks.look_for_obstacles", "schedule": 60.0, "options": {"expires": 60}},
    "sync-deliveries": {"task": "deployers.tasks.sync_deliveries", "schedule": 5.0, "options": {"expires": 5}},
    "sync-deployments": {"task": "deployers.tasks.sync_deployments", "schedule": 2.0, "options": {"expires": 2}},
    "allowlists": {"task": "deployers.tasks.refresh_allowlists", "schedule": 300.0},
    "commit-statuses": {
        "task": "integrations.tasks.tell_commit_statuses",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "deployment-statuses": {"task": "deployers.tasks.tell_deployments", "schedule": 5.0, "options": {"expires": 5}},
    "audit-retention": {"task": "teams.tasks.forget_old_audit_entries", "schedule": 3600.0},
    "old-sessions": {"task": "teams.tasks.forget_old_sessions", "schedule": 3600.0},
    "retention": {"task": "deployers.tasks.forget_old_rows", "schedule": 3600.0, "options": {"expires": 3600}},
    "catch-up": {"task": "deployers.tasks.catch_up_missed_pushes", "schedule": 30.0, "options": {"expires": 30}},
}

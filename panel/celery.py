"""The Celery application: `celery -A panel worker` and `celery -A panel beat`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "panel.settings")
app = Celery("sluice")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "tick": {"task": "deployers.tasks.tick", "schedule": 1.0, "options": {"expires": 3}},
    "check-providers": {"task": "integrations.tasks.check_providers", "schedule": 600.0},
    "check-host-keys": {"task": "integrations.tasks.check_host_keys", "schedule": 600.0},
    "check-ssh-keys": {"task": "integrations.tasks.check_ssh_keys", "schedule": 60.0, "options": {"expires": 60}},
    "credentials": {"task": "deployers.tasks.follow_credentials", "schedule": 5.0, "options": {"expires": 5}},
    "rotate-ssh-keys": {"task": "deployers.tasks.rotate_due_ssh_keys", "schedule": 60.0, "options": {"expires": 60}},
    "finish-revocations": {
        "task": "deployers.tasks.finish_revocations",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
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
    "catch-up": {"task": "deployers.tasks.catch_up_missed_pushes", "schedule": 30.0, "options": {"expires": 30}},
}

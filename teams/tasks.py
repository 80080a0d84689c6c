"""What Celery runs for teams."""

from celery import shared_task

from teams.services import audit, sessions


@shared_task
def forget_old_audit_entries() -> None:
    """Delete audit entries that are older than they have to be kept."""
    audit.forget_old()


@shared_task
def forget_old_sessions() -> None:
    """Delete sessions that are over."""
    sessions.forget_over()

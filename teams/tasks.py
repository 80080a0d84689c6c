"""What Celery runs for teams."""

from celery import shared_task

from teams.services import audit, password_resets, sessions


@shared_task
def forget_old_audit_entries() -> None:
    """Delete audit entries that are older than they have to be kept."""
    audit.forget_old()


@shared_task
def forget_old_sessions() -> None:
    """Delete sessions that are over, and links to set a password that work no more."""
    sessions.forget_over()
    password_resets.forget_over()


@shared_task
def send_password_link(user_id: int) -> None:
    """Send a person the link that they asked for; 0 is nobody, so that asking takes as long for any name."""
    password_resets.send(user_id)

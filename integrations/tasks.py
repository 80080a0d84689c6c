"""What Celery runs for the git side."""

from celery import shared_task

from integrations.services import providers


@shared_task
def check_providers() -> None:
    """Check the credentials that nobody checked for a day."""
    providers.check_due()

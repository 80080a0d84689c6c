"""What Celery runs for the git side."""

from celery import shared_task

from integrations.services import commit_statuses, host_keys, obstacles, providers, repositories, ssh_keys


@shared_task
def check_providers() -> None:
    """Check the credentials that nobody checked for a day."""
    providers.check_due()


@shared_task
def check_host_keys() -> None:
    """Look at the SSH host keys that nobody looked at for a day."""
    host_keys.check_due()


@shared_task
def look_for_obstacles() -> None:
    """Ask what stands in the way of integrations of which that is not known."""
    obstacles.look_due()


@shared_task
def look_for_renamed() -> None:
    """Ask what repositories are called that nobody asked about for a while."""
    repositories.look_due()


@shared_task
def tell_commit_statuses() -> None:
    """Show beside commits what became of them."""
    commit_statuses.tell_due()


@shared_task
def check_ssh_keys() -> None:
    """Ask providers about the deploy keys that nobody asked about for a day."""
    ssh_keys.check_due()

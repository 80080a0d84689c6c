"""What Celery runs for the AWS side. The rows hold the work; a task that is lost or runs twice does no harm."""

from celery import shared_task

from deployers.services import (
    accounts,
    allowlists,
    catch_up,
    credentials,
    deliveries,
    deployments,
    key_rotation,
    key_schedule,
    refresh,
    retention,
    ticks,
)
from deployers.services.deployments import told


@shared_task
def tick() -> None:
    """Advance what is due."""
    ticks.tick()
    refresh.refresh_due()


@shared_task
def advance_operation(operation_id: str) -> None:
    """Advance one operation as far as it goes without waiting."""
    ticks.run(operation_id)


@shared_task
def sync_deliveries() -> None:
    """Read the deliveries of integrations that are due."""
    deliveries.sync_due()


@shared_task
def sync_deployments() -> None:
    """Read the deployments of stacks that are due."""
    deployments.sync_due()


@shared_task
def tell_deployments() -> None:
    """Show beside commits how their deployments stand."""
    told.tell_due()


@shared_task
def sync_integration(integration_id: str) -> None:
    """Read the deliveries of one integration now."""
    ticks.sync_one(integration_id)


@shared_task
def catch_up_missed_pushes() -> None:
    """Compare the refs of integrations that are due with what came."""
    catch_up.check_due()


@shared_task
def refresh_allowlists() -> None:
    """Follow the networks that providers publish."""
    allowlists.refresh_due()


@shared_task
def check_accounts() -> None:
    """Check the AWS accounts that nobody checked for a day."""
    accounts.check_due()


@shared_task
def finish_revocations() -> None:
    """Go on with the revocations of SSH keys that AWS or a provider held up."""
    key_rotation.finish_revocations()


@shared_task
def rotate_due_ssh_keys() -> None:
    """Begin the rotations of SSH keys whose time has come."""
    key_schedule.rotate_due()


@shared_task
def follow_credentials() -> None:
    """Bring new credentials of providers into the stacks that use them."""
    credentials.follow_due()


@shared_task
def forget_old_rows() -> None:
    """Delete rows that are older than they have to be kept."""
    retention.forget_old()

"""Notices what happens to stacks behind our back, such as somebody deleting one in the AWS console.

Costs calls in proportion to accounts, regions and pages of stacks: a region is listed once, not once a stack.
"""

import logging

from django.core.cache import cache

from deployers.aws import cloudformation
from deployers.aws.session import Access
from deployers.errors import AwsError
from deployers.models import AwsAccount, Stack
from deployers.services import accounts, history
from deployers.states import ACTIVE
from teams.errors import SluiceError

logger = logging.getLogger(__name__)

EVERY_SECONDS = 300


def refresh_due() -> int:
    """List the stacks of each account and region that was not listed for five minutes; return how many regions."""
    regions = Stack.objects.exclude(stack_id="").values_list("integration__aws_account", "region").distinct().order_by()
    refreshed = 0
    for account_id, region in regions:
        # The first to add the key lists; it expires when the next listing is due.
        if not cache.add(f"stacks-listed:{account_id}:{region}", 1, EVERY_SECONDS):
            continue
        try:
            refresh(account=AwsAccount.objects.get(pk=account_id), region=region)
        except SluiceError as error:
            logger.warning("account %s, %s: stacks cannot be listed: %s", account_id, region, error)
        refreshed += 1
    return refreshed


def refresh(*, account: AwsAccount, region: str) -> None:
    """Note the state of all our stacks in a region; a worker looks after those of active operations itself.

    Raises the errors of AWS.
    """
    access = accounts.access(account, region)
    idle = (
        Stack.objects.filter(integration__aws_account=account, region=region)
        .exclude(stack_id="")
        .exclude(operations__status__in=sorted(ACTIVE))
    )
    ours = {stack.stack_id: stack for stack in idle}
    for snapshot in cloudformation.describe_all(access):
        if stack := ours.pop(snapshot.stack_id, None):
            history.note(stack, snapshot)
    for stack in ours.values():
        _note_missing(stack, access)


def _note_missing(stack: Stack, access: Access) -> None:
    """A stack that is not listed is deleted, unless it came up while the list was read."""
    try:
        snapshot = cloudformation.describe(access, stack.stack_id)
    except AwsError as error:
        logger.warning("stack %s cannot be described: %s", stack.pk, error)
        return
    history.note(stack, None if snapshot is None or snapshot.status == history.GONE else snapshot)

"""The check of an account, which opens and closes it."""

import time
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from deployers.aws import sts
from deployers.errors import AwsError, ExternalIdIgnored
from deployers.models import AccessMethod, AwsAccount
from deployers.services.accounts import findings
from deployers.services.accounts.way import unproven
from teams import policy
from teams.errors import Refused, SluiceError
from teams.models import User
from teams.policy import Act

CHECKED = ("checked_at", "check_error", "caller_arn", "account_id", "proven_way", "findings")
"""What a check notes; the secret is left as it was read."""
CHECK_EVERY = timedelta(days=1)
RETRY_EVERY = timedelta(minutes=10)
"""Where AWS did not answer, which says nothing about the account."""


def check(*, account: AwsAccount, actor: User | None = None) -> str:
    """Ask AWS whom the credentials belong to and what they may do, note the answer and return the caller's ARN.

    A role also has to refuse those who do not know the external id. If all is well the account is open from then on
    for exactly this way in; a definite refusal closes it. An answer that does not come, or only says to ask again
    later, is noted and closes nothing: it says nothing about the account, and an outage must not stop what works.
    Permissions that are missing close nothing either: `findings` has them, and what needs them is refused.

    Raises Forbidden, CredentialsRefused, ExternalIdIgnored, Refused when it is another account than was entered or
    when the account was changed meanwhile, and the other errors of AWS; what went wrong is noted on the account too.
    """
    if actor is not None:
        policy.require(Act.CHECK_ACCOUNT, user=actor, team=account.team)
    try:
        found = _proven_caller(account)
    except SluiceError as error:
        if _is_definite(error):  # whatever else was changed meanwhile, such as the name
            AwsAccount.objects.filter(pk=account.pk, proven_way=account.way).update(
                proven_way="", check_error=str(error)
            )
        _note(account, check_error=str(error))
        raise
    seen = findings.look(account, unproven(account), found)
    noted = _note(
        account,
        check_error="",
        caller_arn=found.arn,
        account_id=found.account_id,
        proven_way=account.way,
        findings=seen.as_json(),
    )
    if not noted:
        raise Refused("The account was changed while it was checked.", remedy="Check it again.")
    return found.arn


def check_due(*, seconds: float = 45.0) -> int:
    """Check the accounts whose last check is a day old, so that a role that was changed shows before a push needs it.

    A definite refusal closes an account here as it does when a person asks. Accounts that nobody ever checked wait for
    a person: their role may not be there yet. Starts no further check after `seconds`. Returns how many were checked.
    """
    stop_at = time.monotonic() + seconds
    now = timezone.now()
    unanswered = ~Q(check_error="") & ~Q(proven_way="")
    due = AwsAccount.objects.filter(
        Q(checked_at__lt=now - CHECK_EVERY) | unanswered & Q(checked_at__lt=now - RETRY_EVERY)
    ).order_by("checked_at")
    checked = 0
    for account in due.select_related("team")[:50]:
        if time.monotonic() > stop_at:
            break
        checked += 1
        try:
            check(account=account)
        except SluiceError:
            continue  # noted on the account
    return checked


def _is_definite(error: SluiceError) -> bool:
    """Whether it is about the account: a refusal by us, or by AWS with a code of its own."""
    return not error.retryable and (bool(error.aws_code) if isinstance(error, AwsError) else True)


def _note(account: AwsAccount, **found: Any) -> bool:
    """Write down what a check found, unless the account was changed meanwhile; whether it was not."""
    same = AwsAccount.objects.filter(pk=account.pk, updated_at=account.updated_at)
    noted = bool(same.update(checked_at=timezone.now(), **found))
    account.refresh_from_db(fields=CHECKED)
    return noted


def _proven_caller(account: AwsAccount) -> sts.Caller:
    way = unproven(account)
    found = sts.caller(way)
    if account.account_id and found.account_id != account.account_id:
        raise Refused(
            f"These credentials belong to the account {found.account_id}, not to {account.account_id}.",
            field="account_id",
        )
    if account.method == AccessMethod.ROLE and not sts.refuses_without_external_id(way):
        raise ExternalIdIgnored(
            "The role can be assumed without the external id.",
            remedy="Replace the role's trust policy with the one that the panel shows.",
            field="role_arn",
        )
    return found

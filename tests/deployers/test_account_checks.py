"""Accounts are checked again by themselves, so that a role that was changed shows before a push needs it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from deployers.models import AwsAccount
from deployers.services import accounts
from deployers.tasks import check_accounts
from teams.models import Team
from tests.deployers.test_account_gate import Sts, sts, sts_error
from tests.factories import make_account

__all__ = ["sts"]
pytestmark = pytest.mark.django_db


def checked_before(account: AwsAccount, age: timedelta, **fields: str) -> AwsAccount:
    AwsAccount.objects.filter(pk=account.pk).update(checked_at=timezone.now() - age, **fields)
    account.refresh_from_db()
    return account


def test_a_later_refusal_closes_the_account_without_anybody_asking(sts: Sts, team: Team) -> None:
    due = checked_before(make_account(team=team), timedelta(hours=25))
    fresh = checked_before(make_account(team=team), timedelta(hours=23))
    never = make_account(team=team, proven_way="")
    sts.answer = 403, sts_error("InvalidClientTokenId")

    check_accounts()

    due.refresh_from_db()
    assert not due.proven
    assert due.check_error
    fresh.refresh_from_db()
    assert fresh.proven
    never.refresh_from_db()
    assert never.checked_at is None
    assert accounts.check_due() == 0  # each once a day


def test_an_outage_closes_nothing_and_is_asked_about_again_soon(sts: Sts, team: Team) -> None:
    account = checked_before(make_account(team=team), timedelta(hours=25))
    sts.answer = 500, sts_error("InternalFailure")
    assert accounts.check_due() == 1
    account.refresh_from_db()
    assert account.proven
    assert account.check_error

    assert accounts.check_due() == 0
    checked_before(account, timedelta(minutes=11))
    assert accounts.check_due() == 1


def test_a_check_that_passes_says_so_and_takes_the_error_away(moto: None, team: Team) -> None:
    account = checked_before(make_account(team=team), timedelta(hours=25), check_error="AWS did not answer.")
    assert accounts.check_due() == 1
    account.refresh_from_db()
    assert account.proven
    assert account.check_error == ""
    assert account.checked_at is not None
    assert timezone.now() - account.checked_at < timedelta(minutes=1)

"""Whom the role of an account has to trust."""

from functools import lru_cache
from typing import Any

from deployers.aws import sts
from deployers.models import AwsAccount
from teams import policy
from teams.errors import SluiceError
from teams.models import User
from teams.policy import Act

UNKNOWN_PRINCIPAL = "arn:aws:iam::<account of the panel>:root"


def trust_policy(*, account: AwsAccount, actor: User) -> dict[str, Any]:
    """The trust policy to give the role: the panel may assume it, and only with this account's external id.

    Names the panel's own principal if the panel has credentials; else a placeholder to fill in. Raises Forbidden.
    """
    policy.require(Act.ADMINISTER_ACCOUNTS, user=actor, team=account.team)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": panel_principal() or UNKNOWN_PRINCIPAL},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": account.external_id}},
            }
        ],
    }


def panel_principal() -> str:
    """The ARN of the AWS account that the panel itself has credentials of; empty when it has none."""
    try:
        return _own_principal()
    except SluiceError:
        return ""


def forget_principal() -> None:
    """Ask again, such as after the environment changed."""
    _own_principal.cache_clear()


@lru_cache(maxsize=1)
def _own_principal() -> str:
    own = sts.own_caller()
    return f"arn:{sts.partition(own.arn)}:iam::{own.account_id}:root"

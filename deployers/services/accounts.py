"""AWS accounts: the way into each, checked with STS."""

from functools import lru_cache
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from deployers.aws import sts
from deployers.aws.session import Access
from deployers.errors import CredentialsRefused, ExternalIdIgnored
from deployers.models import AccessMethod, AwsAccount
from teams.encryption import DecryptionFailed
from teams.errors import Refused, SluiceError
from teams.models import Role, Team, User
from teams.services import audit, roles

CHECKED = ("checked_at", "check_error", "caller_arn", "account_id")
"""What a check notes; the secret is left as it was read."""


def access(account: AwsAccount, region: str = "") -> Access:
    """The way into one region of the account; its default region when none is named.

    Raises CredentialsRefused if its secret access key cannot be decrypted any more.
    """
    try:
        secret_access_key = account.secret_access_key if account.method == AccessMethod.KEYS else ""
    except DecryptionFailed as error:
        raise CredentialsRefused(
            f"The secret access key of {account} cannot be read: {error.message}",
            remedy="Enter it again, or bring the key back into SLUICE_ENCRYPTION_KEYS.",
        ) from error
    return Access(
        method=account.method,
        region=region or account.default_region,
        role_arn=account.role_arn if account.method == AccessMethod.ROLE else "",
        external_id=account.external_id if account.method == AccessMethod.ROLE else "",
        access_key_id=account.access_key_id if account.method == AccessMethod.KEYS else "",
        secret_access_key=secret_access_key,
    )


def create(
    *,
    team: Team,
    actor: User,
    name: str,
    method: str,
    account_id: str = "",
    role_arn: str = "",
    access_key_id: str = "",
    secret_access_key: str = "",
    default_region: str = "us-east-1",
) -> AwsAccount:
    """Add an account. It is not called: `check` does that, once the role's trust policy holds the external id.

    Raises Forbidden, or Refused with the field that is wrong.
    """
    roles.require(Role.ADMIN, user=actor, team=team)
    account = AwsAccount(
        team=team,
        name=name.strip(),
        method=method,
        account_id=account_id.strip(),
        role_arn=role_arn.strip(),
        access_key_id=access_key_id.strip(),
        secret_access_key=secret_access_key.strip(),
        default_region=default_region.strip(),
    )
    _save(account)
    audit.record(actor=actor, team=team, action="aws_account.create", target=account, changes=_shown(account))
    return account


def update(*, account: AwsAccount, actor: User, **fields: str) -> AwsAccount:
    """Change fields of `create`; a blank secret keeps the old one. Raises Forbidden, or Refused with the field."""
    roles.require(Role.ADMIN, user=actor, team=account.team)
    before = _shown(account)
    unknown = set(fields) - {
        "name",
        "method",
        "account_id",
        "role_arn",
        "access_key_id",
        "secret_access_key",
        "default_region",
    }
    if unknown:
        raise TypeError(f"An AWS account has no {', '.join(sorted(unknown))}")
    for name, value in fields.items():
        if name != "secret_access_key" or value.strip():
            setattr(account, name, value.strip())
    # What the old credentials proved says nothing about the new ones.
    account.checked_at, account.check_error, account.caller_arn = None, "", ""
    _save(account)
    changes = {name: [before[name], now] for name, now in _shown(account).items() if before[name] != now}
    audit.record(actor=actor, team=account.team, action="aws_account.update", target=account, changes=changes)
    return account


def _save(account: AwsAccount) -> None:
    for field, message in _problems(account):
        raise Refused(message, field=field)
    try:
        with transaction.atomic():
            account.save()
    except IntegrityError as error:
        raise Refused(f"There is an AWS account named {account.name} already.", field="name") from error


def _problems(account: AwsAccount) -> list[tuple[str, str]]:
    method = account.method
    parts = account.role_arn.split(":")
    role_fits = len(parts) == 6 and parts[0] == "arn" and parts[2] == "iam" and parts[5].startswith("role/")
    checks = (
        (not account.name, "name", "Give the account a name."),
        (method not in AccessMethod.values, "method", "Choose how the panel gets into the account."),
        (
            bool(account.account_id) and not (len(account.account_id) == 12 and account.account_id.isdigit()),
            "account_id",
            "An account id has twelve digits.",
        ),
        (
            method == AccessMethod.ROLE and not role_fits,
            "role_arn",
            "Give the role's ARN: arn:aws:iam::123456789012:role/sluice.",
        ),
        (
            method == AccessMethod.ROLE and role_fits and account.account_id not in {"", parts[4] if role_fits else ""},
            "role_arn",
            f"The role is not in the account {account.account_id}.",
        ),
        (method == AccessMethod.KEYS and not account.access_key_id, "access_key_id", "Give the access key's id."),
        (
            method == AccessMethod.KEYS and not account.secret_access_key,
            "secret_access_key",
            "Give the secret access key.",
        ),
        (not account.default_region, "default_region", "Choose a region."),
    )
    return [(field, message) for wrong, field, message in checks if wrong]


def _shown(account: AwsAccount) -> dict[str, Any]:
    return {
        name: getattr(account, name)
        for name in ("name", "method", "account_id", "role_arn", "access_key_id", "default_region")
    }


def check(*, account: AwsAccount, actor: User | None = None) -> str:
    """Ask AWS whom the credentials belong to, note the answer and return the caller's ARN.

    A role also has to refuse those who do not know the external id. Raises Forbidden, CredentialsRefused,
    ExternalIdIgnored, Refused when it is another account than was entered, and the other errors of AWS; what went
    wrong is noted on the account too.
    """
    if actor is not None:
        roles.require(Role.OPERATOR, user=actor, team=account.team)
    try:
        found = _proven_caller(account)
    except SluiceError as error:
        AwsAccount.objects.filter(pk=account.pk).update(checked_at=timezone.now(), check_error=str(error))
        account.refresh_from_db(fields=CHECKED)
        raise
    AwsAccount.objects.filter(pk=account.pk).update(
        checked_at=timezone.now(), check_error="", caller_arn=found.arn, account_id=found.account_id
    )
    account.refresh_from_db(fields=CHECKED)
    return found.arn


def _proven_caller(account: AwsAccount) -> sts.Caller:
    way = access(account)
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


def delete(*, account: AwsAccount, actor: User) -> None:
    """Forget an account. Raises Forbidden, or Refused while integrations live in it."""
    roles.require(Role.ADMIN, user=actor, team=account.team)
    name, key = str(account), account.pk
    try:
        account.delete()
    except ProtectedError as error:
        raise Refused(
            f"{name} is used by integrations.", remedy="Delete its integrations first; their stacks live in it."
        ) from error
    account.pk = key
    audit.record(actor=actor, team=account.team, action="aws_account.delete", target=account)


def trust_policy(account: AwsAccount) -> dict[str, Any]:
    """The trust policy to give the role: the panel may assume it, and only with this account's external id.

    Names the panel's own principal if the panel has credentials; else a placeholder to fill in.
    """
    try:
        principal = _own_principal(account.default_region)
    except SluiceError:
        principal = "arn:aws:iam::<the panel's AWS account>:root"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": principal},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": account.external_id}},
            }
        ],
    }


@lru_cache(maxsize=32)
def _own_principal(region: str) -> str:
    own = sts.own_caller(region)
    return f"arn:{sts.partition(own.arn)}:iam::{own.account_id}:root"

"""The rows of AWS accounts: added, changed and forgotten."""

from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from deployers.models import AccessMethod, AwsAccount
from deployers.services.accounts.way import account_of, region_problem, role_arn_problem
from integrations.errors import InvalidValue
from teams import policy
from teams.errors import Forbidden, Refused
from teams.models import Team, User
from teams.policy import Act
from teams.services import audit

WAY = ("method", "account_id", "role_arn", "access_key_id")
CHANGEABLE = ("name", *WAY, "secret_access_key", "default_region")


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
    """Add an account. It is closed until `check` passes, once the role's trust policy holds the external id.

    Raises Forbidden, InvalidValue with the field that is wrong, and Refused for a name that is taken.
    """
    policy.require(Act.ADMINISTER_ACCOUNTS, user=actor, team=team)
    if method == AccessMethod.AMBIENT:
        _require_lender(actor)
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


@transaction.atomic
def update(*, account: AwsAccount, actor: User, **fields: str) -> AwsAccount:
    """Change fields of `create`; a blank secret keeps the old one. Raises as that does.

    Another way in is closed until it is checked itself.
    """
    policy.require(Act.ADMINISTER_ACCOUNTS, user=actor, team=account.team)
    account.refresh_from_db(from_queryset=AwsAccount.objects.select_for_update())  # a check may close it meanwhile
    before = _shown(account)
    unknown = set(fields) - set(CHANGEABLE)
    if unknown:
        raise TypeError(f"An AWS account has no {', '.join(sorted(unknown))}")
    if fields.get("method", account.method) == AccessMethod.AMBIENT != account.method:
        _require_lender(actor)
    old = [getattr(account, name) for name in WAY]
    another_secret = bool(fields.get("secret_access_key", "").strip())
    for name, value in fields.items():
        if name != "secret_access_key" or value.strip():
            setattr(account, name, value.strip())
    if another_secret or old != [getattr(account, name) for name in WAY]:
        # What the old credentials proved says nothing about the new ones.
        account.checked_at, account.check_error, account.caller_arn, account.proven_way = None, "", "", ""
        account.findings = {}
    _save(account)
    changes = {name: [before[name], now] for name, now in _shown(account).items() if before[name] != now}
    audit.record(actor=actor, team=account.team, action="aws_account.update", target=account, changes=changes)
    return account


def _save(account: AwsAccount) -> None:
    for field, message in _problems(account):
        raise InvalidValue(message, field=field)
    try:
        with transaction.atomic():
            account.save()
    except IntegrityError as error:
        raise Refused(f"There is an AWS account named {account.name} already.", field="name") from error


def _require_lender(actor: User) -> None:
    """The panel's own credentials may be those of its whole AWS account: not every team's admin gets them."""
    if not actor.is_superuser:
        raise Forbidden(
            "Only a superuser may connect an account by the panel's own AWS credentials.",
            remedy="Connect it by a role.",
            field="method",
        )
    if not settings.AMBIENT_AWS:
        raise Refused(
            "This panel does not lend its own AWS credentials.",
            remedy="Connect the account by a role. docs/security.md says what SLUICE_AMBIENT_AWS would give away.",
            field="method",
        )


def _problems(account: AwsAccount) -> list[tuple[str, str]]:
    method, there = account.method, account_of(account.role_arn)
    role_problem = role_arn_problem(account.role_arn) if method == AccessMethod.ROLE else ""
    role_arn = account.role_arn if method == AccessMethod.ROLE and not role_problem else ""
    checks = (
        (not account.name, "name", "Give the account a name."),
        (method not in AccessMethod.values, "method", "Choose how the panel gets into the account."),
        (
            bool(account.account_id) and not _is_account_id(account.account_id),
            "account_id",
            "An account id has twelve digits.",
        ),
        (bool(role_problem), "role_arn", role_problem),
        (
            bool(role_arn) and account.account_id not in {"", there},
            "role_arn",
            f"The role is not in the account {account.account_id}.",
        ),
        (method == AccessMethod.KEYS and not account.access_key_id, "access_key_id", "Give the access key's id."),
        (
            method == AccessMethod.KEYS and not account.secret_access_key,
            "secret_access_key",
            "Give the secret access key.",
        ),
    )
    found = [(field, message) for wrong, field, message in checks if wrong]
    region = region_problem(account.default_region, role_arn=role_arn)
    return [*found, ("default_region", region)] if region else found


def _is_account_id(text: str) -> bool:
    return len(text) == 12 and text.isascii() and text.isdigit()


def _shown(account: AwsAccount) -> dict[str, Any]:
    return {
        name: getattr(account, name)
        for name in ("name", "method", "account_id", "role_arn", "access_key_id", "default_region")
    }


def delete(*, account: AwsAccount, actor: User) -> None:
    """Forget an account. Raises Forbidden, or Refused while integrations live in it."""
    policy.require(Act.ADMINISTER_ACCOUNTS, user=actor, team=account.team)
    name, key = str(account), account.pk
    try:
        account.delete()
    except ProtectedError as error:
        raise Refused(
            f"{name} is used by integrations.", remedy="Delete its integrations first; their stacks live in it."
        ) from error
    account.pk = key
    audit.record(actor=actor, team=account.team, action="aws_account.delete", target=account)

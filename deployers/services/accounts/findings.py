"""What a check finds beyond the way in: permissions that are missing, and room that will not do."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from deployers import access_needs
from deployers.aws import iam, limits, sts
from deployers.aws.session import Access
from deployers.catalog import KINDS
from deployers.errors import AwsError, PermissionsMissing
from deployers.models import AwsAccount, StackKind
from deployers.services.accounts import asking
from deployers.services.accounts.template import VERSION

# A new account has ten: webhook, builds and downloads share them.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
FEW_EXECUTIONS = 50
# https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
_VPCS, _ADDRESSES = ("vpc", "L-F678F1CE"), ("ec2", "L-0263D0A3")
_LINKED = {
    "AWSServiceRoleForElasticLoadBalancing": "Elastic Load Balancing",
    "AWSServiceRoleForAutoScaling": "Auto Scaling",
    "AWSServiceRoleForECS": "ECS",
}
_AT_ONCE = 8
MOST_NAMED = 4

SIMULATED, BY_TEMPLATE, UNKNOWN = "simulated", "template", "unknown"


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found.

    Attributes:
        how: whether IAM was asked ("simulated"), or the version of the role's template read ("template"), or nothing
            told ("unknown").
        missing: kind of stack to the permissions that are missing for it, in their order; a kind that is not there
            could not be told about.
        region_off: the account has not switched the default region on.
        notes: sentences about quotas and service-linked roles, and about what could not be asked.
    """

    how: str = UNKNOWN
    missing: Mapping[str, list[str]] = field(default_factory=dict)
    region_off: bool = False
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)


def of(account: AwsAccount) -> Findings | None:
    """What the last check found; None before the first."""
    return Findings(**account.findings) if account.findings else None


def lacks(account: AwsAccount, kind: str) -> list[str]:
    """The permissions that are known to be missing for a kind of stack, and for the git stack that it needs."""
    found = of(account)
    if found is None:
        return []
    return sorted({each for name in (StackKind.GIT, kind) for each in found.missing.get(name, ())})


def require_permissions(account: AwsAccount, kind: str, *, field: str = "") -> None:
    """Raises PermissionsMissing, with their names, if the last check says that the account cannot have such a stack."""
    missing = lacks(account, kind)
    if missing:
        some = ", ".join(missing[:MOST_NAMED])
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        raise PermissionsMissing(
            f"{account} cannot provision {StackKind(kind).label}: it lacks {some}{more}.",
            remedy="Bring its role up to date as the account's page says, then press Check there.",
            field=field,
        )


def look(account: AwsAccount, access: Access, caller: sts.Caller) -> Findings:
    """Ask AWS. What it does not tell is a note, and no error."""
    partition = sts.partition(caller.arn)
    notes: list[str] = []
    how, missing = _permissions(account, access, caller, partition, notes)
    on = _told(lambda: limits.switched_on(access), notes, f"whether {access.region} is switched on")
    if on is not False:
        _rooms(access, notes)
    _linked_roles(access, missing, notes)
    return Findings(how=how, missing=missing, region_off=on is False, notes=notes)


def _permissions(
    account: AwsAccount, access: Access, caller: sts.Caller, partition: str, notes: list[str]
) -> tuple[str, dict[str, list[str]]]:
    if caller.arn.endswith(":root"):
        return SIMULATED, {kind: [] for kind in KINDS}
    try:
        principal = _principal(account, access, caller)
        return SIMULATED, _simulated(access, principal, partition, caller.account_id)
    except AwsError as error:
        tags = _told(lambda: iam.role(access, _role_name(account, caller)), [], "")
        if tags is None or tags.tags.get("sluice:access-version") != VERSION:
            notes.append(f"Which permissions are missing could not be told: {error.message}")
            return UNKNOWN, {}
        chosen = {StackKind.GIT: "true"} | {
            kind: tags.tags.get(f"sluice:{kind}", "") for kind in (StackKind.CODEDEPLOY, StackKind.ECS)
        }
        return BY_TEMPLATE, {
            str(kind): [] if value == "true" else sorted(access_needs.needs(kind) - access_needs.needs(StackKind.GIT))
            for kind, value in chosen.items()
        }


def _role_name(account: AwsAccount, caller: sts.Caller) -> str:
    return (account.role_arn or caller.arn.rpartition("/")[0]).rpartition("/")[2]


def _principal(account: AwsAccount, access: Access, caller: sts.Caller) -> str:
    """The role or user whose policies count."""
    if account.role_arn or ":assumed-role/" not in caller.arn:
        return account.role_arn or caller.arn
    found = iam.role(access, _role_name(account, caller))
    return found.arn if found else caller.arn


def _simulated(access: Access, principal: str, partition: str, account_id: str) -> dict[str, list[str]]:
    wanted = {
        kind: asking.asks(kind, partition=partition, account_id=account_id, region=access.region) for kind in KINDS
    }
    each_once = list(
        {
            (ask.actions, ask.resource, *sorted(ask.context.items())): ask for asks in wanted.values() for ask in asks
        }.values()
    )
    # No thread touches the database, and boto3's clients may be shared.
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="permissions") as pool:
        answers = list(pool.map(lambda ask: iam.denied(access, principal, [ask]), each_once))
    denied = [(ask, refused) for ask, refused in zip(each_once, answers, strict=True) if refused]
    return {
        kind: sorted({action for ask, refused in denied if ask in asks for action in refused})
        for kind, asks in wanted.items()
    }


def _rooms(access: Access, notes: list[str]) -> None:
    executions = _told(lambda: limits.concurrent_executions(access), notes, "how many functions may run at once")
    if executions is not None and executions < FEW_EXECUTIONS:
        notes.append(
            f"Only {executions} functions may run at once in {access.region}: webhooks may be turned away while pushes "
            "are fetched. Ask AWS for more, at Service Quotas: Lambda, Concurrent executions."
        )
    _count(access, notes, "VPCs", _VPCS, limits.vpcs)
    _count(access, notes, "Elastic IP addresses", _ADDRESSES, limits.addresses)


def _count(access: Access, notes: list[str], what: str, code: tuple[str, str], count: Callable[[Access], int]) -> None:
    most = _told(lambda: limits.quota(access, *code), notes, f"the quota of {what}")
    there = _told(lambda: count(access), notes, f"how many {what} there are") if most is not None else None
    if most is not None and there is not None and there >= most:
        notes.append(f"All {most} {what} of {access.region} are in use: another one needs a higher quota.")


def _linked_roles(access: Access, missing: Mapping[str, list[str]], notes: list[str]) -> None:
    may_make = not any("iam:CreateServiceLinkedRole" in each for each in missing.values())
    absent = []
    for name, service in _LINKED.items():
        try:
            if iam.role(access, name) is None:
                absent.append(service)
        except AwsError as error:
            notes.append(f"AWS did not tell whether the service-linked roles are there: {error.message}")
            return
    if absent and not may_make:
        notes.append(
            f"The service-linked roles of {', '.join(absent)} are not there, and this role may not make them. Make them"
            " with aws iam create-service-linked-role, or allow iam:CreateServiceLinkedRole."
        )


def _told(ask: Callable[[], Any], notes: list[str], what: str) -> Any:
    """The answer; None, with a note of what AWS did not tell, where it refuses."""
    try:
        return ask()
    except AwsError as error:
        notes.append(f"AWS did not tell {what}: {error.message}")
        return None

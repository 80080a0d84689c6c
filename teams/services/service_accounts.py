"""Service accounts: what a team's programs use the API as. They belong to nobody, and stay when somebody leaves."""

import re

from django.db import IntegrityError, transaction

from teams import policy
from teams.errors import Refused
from teams.models import Membership, Role, Team, User
from teams.policy import Act
from teams.services import audit, tokens

NAME = re.compile(r"[a-z][a-z0-9-]{0,38}[a-z0-9]")


def of(team: Team) -> list[Membership]:
    """The service accounts of a team, as memberships with their users, by name."""
    rows = Membership.objects.filter(team=team, user__is_service_account=True)
    return list(rows.select_related("user").order_by("user__username"))


def create(*, team: Team, actor: User, name: str, role: Role) -> User:
    """Add a service account with a role in the team. Raises Forbidden, and Refused with the field that is wrong."""
    policy.require(Act.ADMINISTER_SERVICE_ACCOUNTS, user=actor, team=team)
    name = name.strip()
    if not NAME.fullmatch(name):
        raise Refused(
            "Use 2 to 40 lower-case letters, digits and hyphens; a letter first, no hyphen last.", field="name"
        )
    account = User(username=f"{name}.{team.slug}.service", first_name=name, is_service_account=True)
    account.set_unusable_password()
    try:
        with transaction.atomic():
            account.save()
            Membership.objects.create(team=team, user=account, role=role)
            audit.record(
                actor=actor, team=team, action="service_account.create", target=account, changes={"role": role}
            )
    except IntegrityError as error:
        raise Refused(f"There is a service account named {name} already.", field="name") from error
    return account


def delete(*, account: User, team: Team, actor: User) -> None:
    """Remove a service account with its tokens. What it did stays in the audit log. Raises Forbidden and Refused."""
    policy.require(Act.ADMINISTER_SERVICE_ACCOUNTS, user=actor, team=team)
    if not account.is_service_account or not Membership.objects.filter(team=team, user=account).exists():
        raise Refused("That is not a service account of this team.")
    with transaction.atomic():
        tokens.revoke_all(user=account, actor=actor)
        audit.record(actor=actor, team=team, action="service_account.delete", target=account)
        account.delete()

"""Members of a team: their roles, leaving, removing, handing over. A team always keeps an admin.

Every change locks the team's row first, so that two admins who remove each other at the same moment do not both win.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from django.db import transaction
from django.db.models import QuerySet

from teams import policy
from teams.errors import Refused
from teams.models import ApiToken, Membership, Role, Team, User
from teams.policy import Act
from teams.services import audit, second_factors


class LastAdmin(Refused):
    """The team would be left without anybody who may manage it."""

    code = "last_admin"

    def __init__(self, team: Team) -> None:
        super().__init__(f"This is the last admin of {team}.", remedy="Make somebody else an admin first.")


def of(team: Team) -> QuerySet[Membership]:
    """The people of a team, by name. Service accounts are no members: `teams.services.service_accounts` has them."""
    people = Membership.objects.filter(team=team, user__is_service_account=False)
    return people.select_related("user", "team").order_by("user__username")


@contextmanager
def locked(team: Team) -> Iterator[None]:
    """Nobody else changes who is in the team meanwhile; checks at the end that it still has an admin.

    Raises LastAdmin, which undoes what was done within.
    """
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=team.pk)
        had = _has_admin(team)
        yield
        if had and not _has_admin(team):
            raise LastAdmin(team)


@contextmanager
def all_locked(teams: QuerySet[Team]) -> Iterator[None]:
    """`locked`, for each of these teams."""
    with ExitStack() as stack:
        for team in teams.order_by("pk"):
            stack.enter_context(locked(team))
        yield


def _has_admin(team: Team) -> bool:
    return of(team).filter(role=Role.ADMIN, user__is_active=True).exists()


def add(*, team: Team, user: User, role: Role, actor: User | None) -> Membership:
    """Put somebody into a team, within `locked`: for what has decided already that this is right."""
    membership = Membership.objects.create(team=team, user=user, role=role)
    audit.record(actor=actor, team=team, action="member.add", target=user, changes={"role": [None, role]})
    return membership


def set_role(*, membership: Membership, role: Role, actor: User | None) -> None:
    """Another role, within `locked`: for what has decided already that this is right."""
    before = membership.role
    if before == role:
        return
    Membership.objects.filter(pk=membership.pk).update(role=role)
    membership.role = role
    changes = {"role": [before, role]}
    audit.record(
        actor=actor, team=membership.team, action="member.change_role", target=membership.user, changes=changes
    )


def take_out(*, membership: Membership, actor: User | None) -> None:
    """Out of the team, within `locked`, with the tokens there: for what has decided already that this is right."""
    team, user = membership.team, membership.user
    tokens = list(ApiToken.objects.filter(team=team, user=user))
    for token in tokens:
        audit.record(actor=actor, team=team, action="token.revoke", target=token)
    ApiToken.objects.filter(pk__in=[token.pk for token in tokens]).delete()
    audit.record(actor=actor, team=team, action="member.remove", target=user, changes={"role": [membership.role, None]})
    Membership.objects.filter(pk=membership.pk).delete()


def change_role(*, membership: Membership, role: Role, actor: User) -> None:
    """Give a member another role. Raises Forbidden, LastAdmin, and Refused for somebody who left meanwhile."""
    policy.require(Act.ADMINISTER_MEMBERS, user=actor, team=membership.team)
    with locked(membership.team):
        set_role(membership=_still_there(membership), role=role, actor=actor)
    membership.role = role


def remove(*, membership: Membership, actor: User) -> None:
    """Take a member out of the team; their tokens there are revoked. Raises Forbidden, LastAdmin and Refused."""
    policy.require(Act.ADMINISTER_MEMBERS, user=actor, team=membership.team)
    with locked(membership.team):
        take_out(membership=_still_there(membership), actor=actor)


def leave(*, team: Team, user: User) -> None:
    """Leave a team oneself. Raises Forbidden, LastAdmin and Refused."""
    policy.require(Act.LEAVE_TEAM, user=user, team=team)
    with locked(team):
        take_out(membership=_still_there(Membership(team=team, user=user)), actor=user)


def hand_over(*, membership: Membership, actor: User, then: Role) -> None:
    """Make somebody an admin in one's own place, and become what `then` says. Raises Forbidden and Refused."""
    team = membership.team
    policy.require(Act.ADMINISTER_MEMBERS, user=actor, team=team)
    with locked(team):
        theirs, mine = _still_there(membership), _still_there(Membership(team=team, user=actor))
        if theirs.pk == mine.pk:
            raise Refused("You have the team already. Choose somebody else.")
        set_role(membership=theirs, role=Role.ADMIN, actor=actor)
        set_role(membership=mine, role=then, actor=actor)


def require_second_factor(*, team: Team, actor: User, required: bool) -> None:
    """Ask every member for a second factor, or no longer. Raises Forbidden, and Refused for an admin without one."""
    policy.require(Act.ADMINISTER_MEMBERS, user=actor, team=team)
    if required and not second_factors.has_one(actor):
        raise Refused("You have no second factor yourself.", remedy="Set one up first, or the team would lock you out.")
    with transaction.atomic():
        row = Team.objects.select_for_update().get(pk=team.pk)
        if row.requires_second_factor == required:
            return
        Team.objects.filter(pk=team.pk).update(requires_second_factor=required)
        changes = {"requires_second_factor": [not required, required]}
        audit.record(actor=actor, team=team, action="team.update", target=team, changes=changes)
    team.requires_second_factor = required


def _still_there(membership: Membership) -> Membership:
    """The member as the locked team has it now. Raises Refused."""
    row = of(membership.team).filter(user_id=membership.user_id).first()
    if row is None:
        raise Refused(f"{membership.user} is not in the team any more.")
    return row

"""Memberships that follow the groups of an identity provider: applied at each sign-in with it."""

import logging
from collections.abc import Collection, Mapping

from teams.models import Membership, Role, Team, User
from teams.services import members

logger = logging.getLogger(__name__)


def wanted(groups: Collection[str], mapping: Mapping[str, tuple[str, str]]) -> dict[str, Role]:
    """Team slug to role, for somebody in these groups; of several the highest role counts."""
    found: dict[str, Role] = {}
    for group in groups:
        if group in mapping:
            team, role = mapping[group][0], Role(mapping[group][1])
            if team not in found or role.includes(found[team]):
                found[team] = role
    return found


def apply(*, user: User, roles: Mapping[str, Role], teams: Collection[str]) -> None:
    """Bring the user's memberships in `teams`, all that the mapping names, to `roles`; others stay as they are.

    Where that would take a team its last admin, the user keeps the role, and the log says so.
    """
    for team in Team.objects.filter(slug__in=teams).order_by("slug"):
        try:
            with members.locked(team):
                _apply_one(user, team, roles.get(team.slug))
        except members.LastAdmin:
            logger.warning("%s stays admin of %s, as its last one, though no group says so", user, team)


def _apply_one(user: User, team: Team, role: Role | None) -> None:
    membership = Membership.objects.select_related("team", "user").filter(team=team, user=user).first()
    if membership is None:
        if role is not None:
            members.add(team=team, user=user, role=role, actor=None)
    elif role is None:
        members.take_out(membership=membership, actor=None)
    else:
        members.set_role(membership=membership, role=role, actor=None)

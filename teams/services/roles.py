"""Who may do what in a team."""

from teams.errors import Forbidden
from teams.models import Membership, Role, Team, User


def role_in(*, user: User, team: Team) -> Role | None:
    """The user's role in the team, or None for a stranger."""
    membership = Membership.objects.filter(user=user, team=team).only("role").first()
    return Role(membership.role) if membership else None


def require_role(role: Role, *, user: User, team: Team) -> None:
    """Raises Forbidden unless the user's role in the team includes `role`. For `teams.policy` alone, which also looks
    at the token.
    """
    held = role_in(user=user, team=team)
    if held is None or not held.includes(role):
        raise Forbidden(
            f"This needs the role {role.label} in {team}.",
            remedy="Ask an admin of the team to do it or to change your role.",
        )

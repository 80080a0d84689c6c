import pytest

from integrations.models import Provider
from teams.errors import Forbidden
from teams.models import AuditEntry, Membership, Role, Team, User
from teams.services import audit, roles


@pytest.mark.parametrize(
    ("held", "needed", "allowed"),
    [
        (Role.VIEWER, Role.VIEWER, True),
        (Role.VIEWER, Role.OPERATOR, False),
        (Role.OPERATOR, Role.VIEWER, True),
        (Role.OPERATOR, Role.ADMIN, False),
        (Role.ADMIN, Role.OPERATOR, True),
    ],
)
def test_a_role_includes_the_ones_below_it(team: Team, admin: User, held: Role, needed: Role, allowed: bool):
    Membership.objects.filter(user=admin).update(role=held)
    if allowed:
        roles.require_role(needed, user=admin, team=team)
    else:
        with pytest.raises(Forbidden, match=needed.label):
            roles.require_role(needed, user=admin, team=team)


def test_a_stranger_has_no_role_and_sees_nothing(team: Team, stranger: User):
    Provider.objects.create(team=team, kind="github", name="github")
    assert roles.role_in(user=stranger, team=team) is None
    assert not Provider.objects.visible_to(stranger).exists()


def test_audit_entries_cannot_be_changed(team: Team, admin: User):
    entry = audit.record(actor=admin, team=team, action="team.create", target=team)
    entry.action = "something.else"
    with pytest.raises(TypeError, match="append-only"):
        entry.save()
    assert AuditEntry.objects.get().action == "team.create"

"""Whose entries of the audit log a team reads."""

from panel import audit_search
from teams.models import Role, Team, User
from teams.services import audit
from tests.factories import make_team, make_user


def test_what_a_member_did_to_people_of_other_teams_is_not_shown(team: Team, admin: User) -> None:
    staff = make_user(team=team, role=Role.VIEWER, is_staff=True)
    elsewhere = make_user(team=make_team(slug="globex"))
    own = audit.record(actor=staff, team=None, action="user.sign_in", target=staff)
    audit.record(actor=staff, team=None, action="user.update", target=elsewhere, changes={"email": ["old", "new"]})
    assert [each.pk for each in audit_search.of_team(team, admin)] == [own.pk]

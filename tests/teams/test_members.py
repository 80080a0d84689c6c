"""Members: roles, leaving, removing, handing over; a team keeps an admin, also when two act at once."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from teams.errors import Forbidden, Refused, SluiceError
from teams.models import ApiToken, AuditEntry, Membership, Role, Scope, Team, User
from teams.services import members, service_accounts, tokens
from tests.factories import make_user
from tests.second_factors import make_app


def of(user: User, team: Team) -> Membership:
    return Membership.objects.select_related("user", "team").get(user=user, team=team)


def told() -> list[tuple[str, str, object]]:
    rows = AuditEntry.objects.filter(action__startswith="member.").order_by("pk")
    return [(row.action, row.object_name, row.changes.get("role")) for row in rows]


@pytest.fixture
def kim(team: Team) -> User:
    return make_user(team=team, role=Role.VIEWER, username="kim")


def test_an_admin_changes_a_role(team: Team, admin: User, kim: User) -> None:
    members.change_role(membership=of(kim, team), role=Role.OPERATOR, actor=admin)
    assert of(kim, team).role == Role.OPERATOR
    assert told() == [("member.change_role", "kim", ["viewer", "operator"])]


def test_the_same_role_again_is_no_change(team: Team, admin: User, kim: User) -> None:
    members.change_role(membership=of(kim, team), role=Role.VIEWER, actor=admin)
    assert told() == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_nobody_else_changes_anybody(team: Team, admin: User, role: Role) -> None:
    other = make_user(team=team, role=role)
    for act in (
        lambda: members.change_role(membership=of(other, team), role=Role.ADMIN, actor=other),
        lambda: members.remove(membership=of(admin, team), actor=other),
        lambda: members.hand_over(membership=of(other, team), actor=other, then=Role.VIEWER),
        lambda: members.require_second_factor(team=team, actor=other, required=False),
    ):
        with pytest.raises(Forbidden):
            act()


def test_removing_revokes_the_tokens_there_and_no_others(team: Team, admin: User, kim: User) -> None:
    other = Team.objects.create(name="Initech", slug="initech")
    Membership.objects.create(team=other, user=kim, role=Role.VIEWER)
    for each in (team, other):
        tokens.create(actor=kim, team=each, name="ci", scope=Scope.READ)
    members.remove(membership=of(kim, team), actor=admin)
    assert [token.team for token in ApiToken.objects.all()] == [other]
    assert not Membership.objects.filter(team=team, user=kim).exists()
    assert told() == [("member.remove", "kim", ["viewer", None])]
    assert AuditEntry.objects.filter(action="token.revoke", team=team).count() == 1


def test_anybody_leaves(team: Team, admin: User, kim: User) -> None:
    members.leave(team=team, user=kim)
    assert told() == [("member.remove", "kim", ["viewer", None])]
    with pytest.raises(Forbidden):
        members.leave(team=team, user=kim)


@pytest.mark.parametrize(
    "act",
    [
        lambda team, ada: members.leave(team=team, user=ada),
        lambda team, ada: members.remove(membership=of(ada, team), actor=ada),
        lambda team, ada: members.change_role(membership=of(ada, team), role=Role.OPERATOR, actor=ada),
    ],
    ids=["leave", "remove", "change"],
)
def test_the_last_admin_stays(team: Team, admin: User, kim: User, act: Callable[[Team, User], None]) -> None:
    # Neither of these can manage the team.
    make_user(team=team, role=Role.ADMIN, username="off", is_active=False)
    service_accounts.create(team=team, actor=admin, name="robot", role=Role.ADMIN)
    with pytest.raises(members.LastAdmin) as refusal:
        act(team, admin)
    assert (refusal.value.status, refusal.value.code) == (409, "last_admin")
    assert of(admin, team).role == Role.ADMIN
    assert told() == []


def test_handing_over_takes_a_step_down_in_the_same_moment(team: Team, admin: User, kim: User) -> None:
    members.hand_over(membership=of(kim, team), actor=admin, then=Role.VIEWER)
    assert (of(kim, team).role, of(admin, team).role) == (Role.ADMIN, Role.VIEWER)
    assert told() == [
        ("member.change_role", "kim", ["viewer", "admin"]),
        ("member.change_role", "ada", ["admin", "viewer"]),
    ]


def test_nobody_hands_over_to_themselves_or_to_who_is_switched_off(team: Team, admin: User) -> None:
    with pytest.raises(Refused):
        members.hand_over(membership=of(admin, team), actor=admin, then=Role.VIEWER)
    off = make_user(team=team, role=Role.VIEWER, is_active=False)
    with pytest.raises(members.LastAdmin):
        members.hand_over(membership=of(off, team), actor=admin, then=Role.VIEWER)


def test_somebody_who_left_meanwhile_is_told(team: Team, admin: User, kim: User) -> None:
    gone = of(kim, team)
    members.leave(team=team, user=kim)
    with pytest.raises(Refused, match="kim is not in the team any more"):
        members.change_role(membership=gone, role=Role.ADMIN, actor=admin)


def test_service_accounts_are_no_members(team: Team, admin: User) -> None:
    robot = service_accounts.create(team=team, actor=admin, name="robot", role=Role.ADMIN)
    assert [each.user for each in members.of(team)] == [admin]
    with pytest.raises(Refused):
        members.remove(membership=of(robot, team), actor=admin)


def test_an_admin_asks_for_a_second_factor_only_with_one(team: Team, admin: User) -> None:
    with pytest.raises(Refused, match="no second factor yourself"):
        members.require_second_factor(team=team, actor=admin, required=True)
    make_app(admin)
    members.require_second_factor(team=team, actor=admin, required=True)
    team.refresh_from_db()
    assert team.requires_second_factor
    entry = AuditEntry.objects.get(action="team.update")
    assert entry.changes == {"requires_second_factor": [False, True]}


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_remove_each_other_at_once_do_not_both_win(team: Team, admin: User) -> None:
    for attempt in range(5):
        other = make_user(team=team, role=Role.ADMIN, username=f"other{attempt}")
        outcomes = race(
            lambda other=other: members.remove(membership=of(other, team), actor=admin),
            lambda other=other: members.remove(membership=of(admin, team), actor=other),
        )
        left = members.of(team).filter(role=Role.ADMIN)
        assert left.count() == 1, outcomes
        Membership.objects.filter(team=team).delete()
        Membership.objects.create(team=team, user=admin, role=Role.ADMIN)


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_step_down_at_once_do_not_both_win(team: Team, admin: User) -> None:
    other = make_user(team=team, role=Role.ADMIN)
    outcomes = race(
        lambda: members.change_role(membership=of(other, team), role=Role.VIEWER, actor=other),
        lambda: members.leave(team=team, user=admin),
    )
    assert sorted(str(each) for each in outcomes) == ["LastAdmin", "done"]
    assert members.of(team).filter(role=Role.ADMIN).count() == 1


def race(*acts: Callable[[], None]) -> list[str]:
    """What became of acts that begin at the same moment, each on a connection of its own."""
    start, outcomes = threading.Barrier(len(acts)), []

    def run(act: Callable[[], None]) -> None:
        try:
            start.wait()
            act()
            outcomes.append("done")
        except (SluiceError, Membership.DoesNotExist) as error:
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes

"""Memberships that follow the groups of an identity provider."""

import pytest

from teams.models import AuditEntry, Membership, Role, Team, User
from teams.services import group_roles

MAPPING = {"devs": ("acme", "operator"), "ops": ("acme", "admin"), "guests": ("initech", "viewer")}
TEAMS = {"acme", "initech"}


@pytest.fixture
def kim(db: None) -> User:
    return User.objects.create_user("kim")


def of(user: User) -> dict[str, str]:
    return dict(Membership.objects.filter(user=user).values_list("team__slug", "role"))


@pytest.mark.parametrize(
    ("groups", "roles"),
    [
        ([], {}),
        (["unknown"], {}),
        (["devs"], {"acme": "operator"}),
        (["devs", "ops"], {"acme": "admin"}),
        (["ops", "devs", "guests"], {"acme": "admin", "initech": "viewer"}),
    ],
)
def test_the_highest_role_of_all_groups_counts(groups: list[str], roles: dict[str, str]) -> None:
    assert group_roles.wanted(groups, MAPPING) == roles


def follow(user: User, *groups: str) -> None:
    group_roles.apply(user=user, roles=group_roles.wanted(groups, MAPPING), teams=TEAMS)


def test_each_sign_in_brings_the_memberships_up_to_date(team: Team, admin: User, kim: User) -> None:
    Team.objects.create(name="Initech", slug="initech")
    Team.objects.create(name="Other", slug="other").memberships.create(user=kim, role=Role.VIEWER)
    follow(kim, "devs", "guests")
    assert of(kim) == {"acme": "operator", "initech": "viewer", "other": "viewer"}
    follow(kim, "ops")
    assert of(kim) == {"acme": "admin", "other": "viewer"}
    follow(kim)
    assert of(kim) == {"other": "viewer"}
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == [
        "member.add",
        "member.add",
        "member.change_role",
        "member.remove",
        "member.remove",
    ]


def test_the_last_admin_stays_whatever_the_groups_say(team: Team, admin: User) -> None:
    follow(admin)
    assert of(admin) == {"acme": "admin"}
    follow(admin, "devs")
    assert of(admin) == {"acme": "admin"}


def test_a_team_that_does_not_exist_is_passed_over(team: Team, kim: User) -> None:
    follow(kim, "guests")
    assert of(kim) == {}

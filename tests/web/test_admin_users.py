"""Staff who may change users cannot make themselves, or anybody, more than they are; no team loses its last admin."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from teams.models import AuditEntry, Membership, Role, Team, User
from teams.services import service_accounts
from tests.factories import make_user
from tests.web.conftest import client_of


@pytest.fixture
def clerk(db: None) -> User:
    """Staff with every permission that Django has."""
    user = User.objects.create_user("clerk", password="correct horse battery", is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    return user


@pytest.fixture
def desk(clerk: User) -> Client:
    return client_of(clerk)


def change(client: Client, user: User, **fields: str) -> int:
    url = reverse("admin:teams_user_change", args=[user.pk])
    joined = f"{user.date_joined:%Y-%m-%d}", f"{user.date_joined:%H:%M:%S}"
    body = {"username": user.username, "date_joined_0": joined[0], "date_joined_1": joined[1], "is_active": "on"}
    return client.post(url, {**body, **fields}).status_code


def test_staff_do_not_raise_themselves(desk: Client, clerk: User) -> None:
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    group = Group.objects.create(name="all")
    every = [str(pk) for pk in Permission.objects.values_list("pk", flat=True)]
    assert change(desk, clerk, first_name="C", is_superuser="on", groups=str(group.pk), user_permissions=every) == 302  # type: ignore[arg-type]
    clerk.refresh_from_db()
    assert (clerk.first_name, clerk.is_superuser, clerk.is_staff) == ("C", False, True)
    assert clerk.user_permissions.count() == 2
    assert not clerk.groups.exists()


def test_staff_raise_nobody_else(desk: Client) -> None:
    other = User.objects.create_user("other")
    assert change(desk, other, first_name="O", is_staff="on", is_superuser="on") == 302
    other.refresh_from_db()
    assert (other.first_name, other.is_superuser, other.is_staff) == ("O", False, False)


@pytest.mark.parametrize("powers", [{"is_superuser": True, "is_staff": True}, {"is_staff": True}])
def test_staff_take_over_nobody_with_powers(desk: Client, powers: dict[str, bool]) -> None:
    root = User.objects.create_user("root", password="correct horse battery", **powers)
    before = root.password
    new = {"password1": "another horse battery", "password2": "another horse battery", "usable_password": "true"}
    assert change(desk, root, username="mine") == 403
    assert desk.post(reverse("admin:auth_user_password_change", args=[root.pk]), new).status_code == 403
    assert desk.post(reverse("admin:teams_user_delete", args=[root.pk]), {"post": "yes"}).status_code == 403
    root.refresh_from_db()
    assert (root.username, root.password) == ("root", before)


def test_staff_have_no_other_way_to_a_second_factor_or_a_group(desk: Client) -> None:
    page = desk.get("/admin/").content.decode()
    for app in ("account", "mfa", "usersessions", "auth/group", "socialaccount"):
        assert f"/admin/{app}" not in page
        assert desk.get(f"/admin/{app}/").status_code == 404 or app == "auth/group"
    assert desk.get("/admin/auth/group/add/").status_code == 403


def test_staff_reset_no_second_factor(desk: Client, clerk: User) -> None:
    from tests.second_factors import make_app

    row = make_app(clerk)
    url = reverse("admin:teams_user_changelist")
    answer = desk.post(url, {"action": "reset_second_factor", "_selected_action": [clerk.pk]}, follow=True)
    assert "Only a superuser" in answer.content.decode()
    row.refresh_from_db()


def test_superusers_do_all_of_it(clerk: User) -> None:
    root = client_of(User.objects.create_superuser("root"))
    assert change(root, clerk, is_staff="on", is_superuser="on") == 302
    clerk.refresh_from_db()
    assert clerk.is_superuser
    assert root.get("/admin/auth/group/add/").status_code == 200


@pytest.fixture
def root(db: None) -> Client:
    return client_of(User.objects.create_superuser("root"))


def change_member(client: Client, member: Membership, **fields: str) -> str:
    """Change a row on the page of its team; what the page that follows says."""
    row = {"id": member.pk, "team": member.team_id, "user": member.user_id, "role": member.role, **fields}
    body = {"name": member.team.name, "slug": member.team.slug}
    body |= {"memberships-TOTAL_FORMS": "1", "memberships-INITIAL_FORMS": "1"}
    body |= {f"memberships-0-{name}": str(value) for name, value in row.items()}
    url = reverse("admin:teams_team_change", args=[member.team_id])
    return client.post(url, body, follow=True).content.decode()


LAST = "This is the last admin of Acme. Make somebody else an admin first."


@pytest.mark.parametrize(
    "fields", [{"role": "viewer"}, {"DELETE": "on"}, {"user": "another"}], ids=["role", "taken out", "another user"]
)
def test_the_last_admin_stays_on_the_page_of_the_team(
    root: Client, team: Team, admin: User, fields: dict[str, str]
) -> None:
    if "user" in fields:
        fields = {"user": str(User.objects.create_user("away", is_active=False).pk)}
    told = len(AuditEntry.objects.all())
    page = change_member(root, Membership.objects.get(user=admin), **fields)
    assert LAST in page
    assert "changed successfully" not in page
    assert Membership.objects.get(team=team).user == admin
    assert Membership.objects.get(user=admin).role == Role.ADMIN
    assert len(AuditEntry.objects.all()) == told


def test_one_of_two_admins_may_go(root: Client, team: Team, admin: User) -> None:
    make_user(team=team, username="kim", role=Role.ADMIN)
    assert "changed successfully" in change_member(root, Membership.objects.get(user=admin), role="viewer")
    assert Membership.objects.get(user=admin).role == Role.VIEWER
    assert LAST in change_member(root, Membership.objects.get(user__username="kim"), role="viewer")


def test_the_account_of_the_last_admin_stays_as_it_is(root: Client, team: Team, admin: User) -> None:
    assert change(root, admin, is_active="") == 302
    assert LAST in root.get("/admin/").content.decode()
    page = root.post(reverse("admin:teams_user_delete", args=[admin.pk]), {"post": "yes"}, follow=True)
    assert LAST in page.content.decode()
    several = {"action": "delete_selected", "_selected_action": [str(admin.pk)], "post": "yes"}
    page = root.post(reverse("admin:teams_user_changelist"), several, follow=True)
    assert LAST in page.content.decode()
    assert "Successfully deleted" not in page.content.decode()
    admin.refresh_from_db()
    assert admin.is_active
    make_user(team=team, username="kim", role=Role.ADMIN)
    root.post(reverse("admin:teams_user_changelist"), several)
    assert not User.objects.filter(pk=admin.pk).exists()


def test_a_team_without_members_is_filled_and_deleted(root: Client, admin: User, team: Team) -> None:
    body = {"name": "Initech", "slug": "initech", "memberships-TOTAL_FORMS": "1", "memberships-INITIAL_FORMS": "0"}
    body |= {"memberships-0-user": str(admin.pk), "memberships-0-role": "viewer"}
    assert root.post(reverse("admin:teams_team_add"), body).status_code == 302
    assert Membership.objects.get(team__slug="initech").role == Role.VIEWER
    root.post(reverse("admin:teams_team_delete", args=[team.pk]), {"post": "yes"})
    assert list(Team.objects.values_list("slug", flat=True)) == ["initech"]


def test_the_admins_own_page_of_the_password_is_the_accounts(root: Client) -> None:
    """Its form would ask for no second proof, end no tokens, and write nothing into the audit log."""
    assert root.get("/admin/password_change/")["Location"] == reverse("profile-password")
    assert root.post("/admin/password_change/", {"new_password1": "x"})["Location"] == reverse("profile-password")


def test_a_service_account_is_given_no_password(root: Client, admin: User, team: Team) -> None:
    bot = service_accounts.create(team=team, actor=admin, name="bot", role=Role.ADMIN)
    url = reverse("admin:auth_user_password_change", args=[bot.pk])
    new = {"password1": "another horse battery", "password2": "another horse battery", "usable_password": "true"}
    assert "never a password" in root.get(url, follow=True).content.decode()
    root.post(url, new)
    bot.refresh_from_db()
    assert not bot.has_usable_password()
    assert root.get("/admin/teams/user/nobody/password/").status_code in {302, 404}

"""The members page, and the way of an invited person."""

import re

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from teams.models import AuditEntry, Invitation, Membership, Role, Team, User
from tests.factories import make_user
from tests.second_factors import make_app
from tests.web.conftest import client_of

PASSWORD = "a long enough password"


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    cache.clear()


@pytest.fixture
def kim(team: Team) -> User:
    return make_user(team=team, role=Role.VIEWER, username="kim", email="kim@example.com")


def link_of(client: Client, **fields: str) -> str:
    """The path of a new invitation's link, as its page shows it."""
    page = client.post("/members/invite/", {"role": "operator", "days": "7", **fields}).content.decode()
    found = re.search(r"(/invitations/[\w-]{43}/)", page)
    assert found, page
    return found[1]


def test_everybody_sees_who_is_there_and_admins_more(signed_in: Client, viewer: Client, kim: User, team: Team) -> None:
    seen = viewer.get("/members/").content.decode()
    assert "ada" in seen
    assert "kim@example.com" not in seen
    for word in ("/members/invite/", "Hand over", "Remove", "Take back", "Require it"):
        assert word not in seen
    page = signed_in.get("/members/").content.decode()
    assert "kim@example.com" in page
    assert "/members/invite/" in page


def test_who_is_no_admin_is_refused(operator: Client, kim: User, team: Team) -> None:
    member = Membership.objects.get(user=kim)
    for name, args in (("invitation-add", []), *((f"member-{what}", [member.pk]) for what in ("change", "remove"))):
        assert operator.get(reverse(name, args=args)).status_code == 403, name
        assert operator.post(reverse(name, args=args), {"role": "admin", "confirm": "kim"}).status_code == 403, name
    assert operator.post("/members/second-factor/", {"required": "yes"}).status_code == 403
    assert Membership.objects.get(user=kim).role == Role.VIEWER


def test_members_of_another_team_do_not_exist(strange: Client, kim: User, signed_in: Client, team: Team) -> None:
    link_of(signed_in)
    member, invitation = Membership.objects.get(user=kim), Invitation.objects.get()
    for what in ("change", "remove", "hand-over"):
        assert strange.get(reverse(f"member-{what}", args=[member.pk])).status_code == 404
    assert strange.post(reverse("invitation-revoke", args=[invitation.pk])).status_code == 404
    assert "kim" not in strange.get("/members/").content.decode()


def test_a_role_is_changed(signed_in: Client, kim: User) -> None:
    url = reverse("member-change", args=[Membership.objects.get(user=kim).pk])
    assert 'value="viewer" id="id_role_0" checked' in signed_in.get(url).content.decode()
    page = signed_in.post(url, {"role": "operator"}, follow=True).content.decode()
    assert "kim is Operator now." in page
    assert "This field is required" in signed_in.post(url, {"role": ""}).content.decode()


def test_the_last_admin_is_told_why_they_stay(signed_in: Client, admin: User, kim: User) -> None:
    url = reverse("member-change", args=[Membership.objects.get(user=admin).pk])
    page = signed_in.post(url, {"role": "viewer"}).content.decode()
    assert "This is the last admin of Acme. Make somebody else an admin first." in page
    page = signed_in.post("/members/leave/", {"confirm": "Acme"}).content.decode()
    assert "This is the last admin of Acme." in page
    assert Membership.objects.get(user=admin).role == Role.ADMIN


def test_a_member_is_removed_after_typing_the_name(signed_in: Client, kim: User) -> None:
    theirs = client_of(kim)
    assert theirs.get("/").status_code == 200
    url = reverse("member-remove", args=[Membership.objects.get(user=kim).pk])
    assert "This is not the name." in signed_in.post(url, {"confirm": "ada"}).content.decode()
    signed_in.post(url, {"confirm": "kim"})
    assert not Membership.objects.filter(user=kim).exists()
    assert theirs.get("/").status_code == 403


def test_a_member_leaves(kim: User) -> None:
    client = client_of(kim)
    assert client.post("/members/leave/", {"confirm": "Acme"}).status_code == 302
    assert not Membership.objects.filter(user=kim).exists()


def test_the_team_is_handed_over(signed_in: Client, admin: User, kim: User) -> None:
    url = reverse("member-hand-over", args=[Membership.objects.get(user=kim).pk])
    signed_in.post(url, {"confirm": "kim", "then": "operator"})
    roles = dict(Membership.objects.values_list("user__username", "role"))
    assert roles == {"ada": "operator", "kim": "admin"}


def test_a_second_factor_is_required_of_all(signed_in: Client, admin: User, kim: User, team: Team) -> None:
    page = signed_in.post("/members/second-factor/", {"required": "yes"}, follow=True).content.decode()
    assert "You have no second factor yourself." in page
    make_app(admin)
    signed_in.post("/members/second-factor/", {"required": "yes"})
    assert client_of(kim).get("/")["Location"] == "/profile/second-factor/"
    signed_in.post("/members/second-factor/", {"required": "no"})
    assert client_of(kim).get("/").status_code == 200


def test_old_sessions_confirm_first(signed_in: Client, kim: User, settings: Settings) -> None:
    settings.CONFIRMATION_MINUTES = 0
    member = Membership.objects.get(user=kim)
    urls = ["/members/invite/", "/members/leave/"]
    urls += [reverse(f"member-{what}", args=[member.pk]) for what in ("change", "remove", "hand-over")]
    for url in urls:
        assert signed_in.get(url)["Location"].startswith("/confirm-password/"), url
    assert signed_in.post("/members/second-factor/", {"required": "yes"})["Location"].startswith("/confirm-password/")


def test_a_link_says_what_it_is_to_before_anybody_accepts(signed_in: Client, team: Team) -> None:
    page = Client().get(link_of(signed_in)).content.decode()
    assert "ada invites you to the team <strong>Acme</strong> as <strong>Operator</strong>" in page
    assert Invitation.objects.get().accepted_at is None


def test_a_new_person_chooses_a_password_and_is_in(signed_in: Client, team: Team) -> None:
    client, link = Client(), link_of(signed_in)
    answer = client.post(link, {"username": "kim", "password": PASSWORD}, follow=True)
    assert (answer.status_code, "Acme · Operator" in answer.content.decode()) == (200, True)
    assert Client().get(link).status_code == 404
    assert list(AuditEntry.objects.order_by("pk").values_list("actor_name", "action"))[-4:] == [
        ("kim", "user.create"),
        ("kim", "invitation.accept"),
        ("kim", "member.add"),
        ("kim", "user.sign_in"),
    ]


def test_what_is_wrong_with_the_new_account_is_told_beside_its_field(signed_in: Client, team: Team) -> None:
    link = link_of(signed_in)
    page = Client().post(link, {"username": "ada", "password": "short"}).content.decode()
    assert "Somebody has this user name already." in page
    page = Client().post(link, {"username": "kim", "password": "short"}).content.decode()
    assert "too short" in page
    assert "short" not in re.findall(r'value="([^"]*)"', page)


def test_who_has_an_account_signs_in_and_joins(signed_in: Client, team: Team) -> None:
    User.objects.create_user("kim", password=PASSWORD)
    client, link = Client(), link_of(signed_in)
    assert f'href="/sign-in/?next={link}"' in client.get(link).content.decode()
    answer = client.post("/sign-in/", {"username": "kim", "password": PASSWORD, "next": link})
    assert answer["Location"] == link
    page = client.get(link).content.decode()
    assert "Join as kim" in page
    answer = client.post(link, follow=True)
    assert "Acme · Operator" in answer.content.decode()


def test_joining_a_second_team_shows_that_team(signed_in: Client, stranger: User, team: Team) -> None:
    client = client_of(stranger)
    page = client.post(link_of(signed_in), follow=True).content.decode()
    assert "Acme · Operator" in page
    assert "Switch to " in page


def test_somebody_else_on_this_machine_signs_out_first(signed_in: Client, team: Team) -> None:
    link = link_of(signed_in)
    answer = signed_in.post("/sign-out/", {"next": link})
    assert answer["Location"] == link


def test_a_member_who_opens_the_link_is_told_and_leaves_it_whole(signed_in: Client, team: Team) -> None:
    link = link_of(signed_in)
    assert "You are in Acme already." in signed_in.post(link, follow=True).content.decode()
    assert Client().get(link).status_code == 200


def test_an_invitation_is_taken_back(signed_in: Client, team: Team) -> None:
    link = link_of(signed_in)
    assert "whoever has the link" in signed_in.get("/members/").content.decode()
    signed_in.post(reverse("invitation-revoke", args=[Invitation.objects.get().pk]))
    answer = Client().get(link)
    assert (answer.status_code, "not valid any more" in answer.content.decode()) == (404, True)


def test_where_passwords_are_off_no_password_is_asked(signed_in: Client, team: Team, settings: Settings) -> None:
    link = link_of(signed_in)
    settings.PASSWORDS = False
    client = Client()
    assert 'name="password"' not in client.get(link).content.decode()
    assert client.post(link, {"username": "kim", "password": PASSWORD}).status_code == 200
    assert not User.objects.filter(username="kim").exists()


def test_the_page_of_a_link_is_not_kept(signed_in: Client, team: Team) -> None:
    answer = Client().get(link_of(signed_in))
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "same-origin"


def test_an_invited_address_without_a_mail_server_is_not_offered(signed_in: Client, team: Team) -> None:
    page = signed_in.get("/members/invite/").content.decode()
    assert "This panel cannot send e-mail" in page
    assert re.search(r'name="email"[^>]*disabled', page)

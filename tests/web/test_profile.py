"""One's own account: password, e-mail address, sessions."""

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.core import mail as outbox
from django.core.cache import cache
from django.test import Client
from pytest_django.fixtures import Settings

from panel import sign_in_limits
from teams.models import ApiToken, AuditEntry, Scope, Team, User
from teams.services import tokens
from tests.web.conftest import client_of

PASSWORD, NEW = "correct horse battery", "another horse battery"
PAGE = "/profile/"


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    cache.clear()


def sign_in(agent: str = "Firefox", password: str = PASSWORD) -> Client:
    client = Client(HTTP_USER_AGENT=agent)
    assert client.post("/sign-in/", {"username": "ada", "password": password}).status_code == 302
    return client


def test_sessions_are_listed_with_the_one_at_hand_marked(admin: User) -> None:
    here, _there = sign_in("Firefox"), sign_in("Safari")
    page = here.get(PAGE).content.decode()
    assert "Firefox" in page
    assert "Safari" in page
    assert page.count("this one") == 1
    assert "this one" not in client_of(admin).get(PAGE).content.decode()


def test_one_is_ended(admin: User) -> None:
    here, there = sign_in("Firefox"), sign_in("Safari")
    other = UserSession.objects.get(user_agent="Safari")
    here.post(f"/profile/sessions/{other.pk}/end/")
    assert there.get("/")["Location"].startswith("/sign-in/")
    assert here.get("/").status_code == 200
    assert AuditEntry.objects.latest("pk").action == "user.end_sessions"


def test_nobody_ends_somebody_elses(strange: Client, admin: User) -> None:
    there = sign_in()
    assert strange.post(f"/profile/sessions/{UserSession.objects.get().pk}/end/").status_code == 404
    assert there.get("/").status_code == 200


def test_all_others_are_ended(admin: User) -> None:
    here, others = sign_in(), [sign_in("Safari"), sign_in("Opera")]
    assert "2 sessions ended." in here.post("/profile/sessions/end/", follow=True).content.decode()
    assert [client.get("/").status_code for client in (here, *others)] == [200, 302, 302]


@pytest.mark.parametrize("asked", [True, False])
def test_a_new_password_ends_other_sessions_and_asked_tokens(admin: User, team: Team, asked: bool) -> None:
    here, there = sign_in(), sign_in("Safari")
    tokens.create(actor=admin, team=team, name="ci", scope=Scope.READ)
    form = {"current": PASSWORD, "password": NEW, **({"revoke_tokens": "on"} if asked else {})}
    page = here.post("/profile/password/", form, follow=True).content.decode()
    assert "1 other session ended" in page
    assert ("1 token revoked" in page) is asked
    assert ApiToken.objects.count() == (0 if asked else 1)
    assert (here.get("/").status_code, there.get("/").status_code) == (200, 302)
    assert [row.session_key for row in UserSession.objects.all()] == [here.session.session_key]
    admin.refresh_from_db()
    assert admin.check_password(NEW)
    entry = AuditEntry.objects.get(action="user.change_password")
    assert entry.changes == {"password": "changed", **({"tokens": [1, 0]} if asked else {})}


@pytest.mark.parametrize(
    ("current", "password", "told"),
    [("wrong", NEW, "This is not your password."), (PASSWORD, "short", "too short"), (PASSWORD, "", "required")],
)
def test_what_is_wrong_is_told_at_its_field(
    signed_in: Client, admin: User, current: str, password: str, told: str
) -> None:
    page = signed_in.post("/profile/password/", {"current": current, "password": password}).content.decode()
    assert told in page
    admin.refresh_from_db()
    assert admin.check_password(PASSWORD)


def test_guesses_at_the_password_are_limited_here_too(signed_in: Client, admin: User) -> None:
    for _ in range(sign_in_limits.ATTEMPTS_PER_NAME_AND_SOURCE):
        signed_in.post("/profile/password/", {"current": "wrong", "password": NEW})
    page = signed_in.post("/profile/password/", {"current": PASSWORD, "password": NEW}).content.decode()
    assert "Too many failed attempts" in page


def test_an_old_session_confirms_first(signed_in: Client, admin: User, settings: Settings) -> None:
    settings.CONFIRMATION_MINUTES = 0
    for url in ("/profile/password/", "/profile/email/"):
        assert signed_in.get(url)["Location"].startswith("/confirm-password/")


def test_without_a_mail_server_the_address_is_kept_unverified(signed_in: Client, admin: User) -> None:
    assert "cannot send e-mail" in signed_in.get("/profile/email/").content.decode()
    page = signed_in.post("/profile/email/", {"email": "ada@example.com"}, follow=True).content.decode()
    assert "ada@example.com, not verified" in page
    assert not EmailAddress.objects.exists()
    entry = AuditEntry.objects.get(action="user.change_email")
    assert entry.changes == {"email": ["", "ada@example.com"]}


@pytest.fixture
def can_mail(settings: Settings) -> None:
    settings.MAIL = "memorymail://"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


def link_in(body: str) -> str:
    found = re.search(r"/profile/email/\S+/", body)
    assert found
    return found[0]


@pytest.mark.usefixtures("can_mail")
def test_an_address_is_ones_own_after_its_link_was_opened_and_the_old_one_is_told(
    signed_in: Client, admin: User
) -> None:
    User.objects.filter(pk=admin.pk).update(email="old@example.com")
    signed_in.post("/profile/email/", {"email": "new@example.com"})
    admin.refresh_from_db()
    assert admin.email == "old@example.com"
    link = link_in(outbox.outbox[0].body)
    signed_in.get(link)
    admin.refresh_from_db()
    assert admin.email == "old@example.com"
    page = signed_in.post(link, follow=True).content.decode()
    assert "new@example.com, verified" in page
    assert [message.to for message in outbox.outbox] == [["new@example.com"], ["old@example.com"]]
    assert "not valid any more" in signed_in.post(link, follow=True).content.decode()


@pytest.mark.usefixtures("can_mail")
def test_somebody_elses_link_changes_nothing(signed_in: Client, strange: Client, stranger: User) -> None:
    signed_in.post("/profile/email/", {"email": "new@example.com"})
    page = strange.post(link_in(outbox.outbox[0].body), follow=True).content.decode()
    assert "not valid any more" in page
    stranger.refresh_from_db()
    assert stranger.email == ""


@pytest.mark.usefixtures("can_mail")
def test_an_address_that_another_account_proved_is_refused(signed_in: Client, stranger: User) -> None:
    EmailAddress.objects.create(user=stranger, email="new@example.com", verified=True, primary=True)
    signed_in.post("/profile/email/", {"email": "new@example.com"})
    page = signed_in.post(link_in(outbox.outbox[0].body), follow=True).content.decode()
    assert "Another account has this address." in page


def test_somebody_in_no_team_has_the_page_too(db: None) -> None:
    client = client_of(User.objects.create_user("new", password=PASSWORD))
    assert client.get(PAGE).status_code == 200
    assert client.get("/profile/password/").status_code == 200


def test_who_has_no_password_sets_one(db: None) -> None:
    user = User.objects.create_user("new")
    client = client_of(user)
    assert 'name="current"' not in client.get("/profile/password/").content.decode()
    client.post("/profile/password/", {"password": NEW})
    user.refresh_from_db()
    assert user.check_password(NEW)

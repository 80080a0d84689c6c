"""Forgotten passwords, as people meet them: asked for at the sign-in, set by a link, handed out by a superuser."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.core import mail as outbox
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from panel import sign_in_limits
from panel.celery import app
from teams.models import PasswordReset, User
from teams.services import password_resets
from tests.second_factors import make_app
from tests.web.conftest import client_of

ASK, NEW = "/forgotten-password/", "another long password"


@pytest.fixture(autouse=True)
def mail(settings: Settings, db: None) -> Iterator[None]:
    """A panel that can send e-mail, and a worker at work."""
    cache.clear()
    settings.MAIL = True
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False


@pytest.fixture
def ada(admin: User) -> User:
    User.objects.filter(pk=admin.pk).update(email="ada@example.com")
    EmailAddress.objects.create(user=admin, email="ada@example.com", verified=True, primary=True)
    return admin


def link_to(ada: User) -> str:
    url, _ = password_resets.hand_out(user=ada, actor=None)
    return urlsplit(url).path


def test_who_forgot_it_asks_at_the_sign_in_and_sets_another(ada: User) -> None:
    client, elsewhere = Client(), client_of(ada)
    assert f'href="{ASK}"' in client.get("/sign-in/").content.decode()
    assert "Look at your e-mail" in client.post(ASK, {"name": "ada"}).content.decode()
    found = re.search(r"https?://\S+", outbox.outbox[0].body)
    assert found
    page = client.get(urlsplit(found[0]).path)
    assert "New password of ada" in page.content.decode()
    assert page["Referrer-Policy"] == "same-origin", "the link is not told to other sites"
    assert "no-store" in page["Cache-Control"]
    answer = client.post(urlsplit(found[0]).path, {"password": NEW}, follow=True)
    assert "Your password is set" in answer.content.decode()
    assert "_auth_user_id" not in client.session, "the link itself signs nobody in"
    assert elsewhere.get("/profile/").status_code == 302, "who was signed in is signed out"
    assert client.post("/sign-in/", {"username": "ada", "password": NEW})["Location"] == "/"
    assert client.get(urlsplit(found[0]).path).status_code == 404


def test_the_answer_does_not_tell_who_has_an_account(ada: User) -> None:
    pages = [Client().post(ASK, {"name": name}).content for name in ("ada", "nobody", "ada@example.com", "x@y.example")]
    assert len(set(pages)) == 1
    assert len(outbox.outbox) == 2


def test_the_host_that_a_request_names_is_in_no_link(ada: User, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    Client().post(ASK, {"name": "ada"}, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert settings.PANEL_URL in outbox.outbox[0].body
    assert "evil" not in outbox.outbox[0].body


def test_the_second_factor_is_asked_for_after_it(ada: User) -> None:
    make_app(ada)
    client = Client()
    client.post(link_to(ada), {"password": NEW})
    answer = client.post("/sign-in/", {"username": "ada", "password": NEW})
    assert answer["Location"] == "/sign-in/second-factor/"


def test_a_weak_password_is_refused_beside_its_field(ada: User) -> None:
    path = link_to(ada)
    assert "too common" in Client().post(path, {"password": "password1234"}).content.decode()
    assert Client().get(path).status_code == 200


def test_asking_has_a_limit(ada: User) -> None:
    for _ in range(sign_in_limits.LINKS_PER_SOURCE):
        Client().post(ASK, {"name": "nobody"})
    assert "Too many attempts" in Client().post(ASK, {"name": "ada"}).content.decode()
    assert outbox.outbox == []


@pytest.mark.parametrize("lacks", ["MAIL", "PASSWORDS"])
def test_without_mail_or_passwords_there_is_nothing_to_ask_for(ada: User, settings: Settings, lacks: str) -> None:
    setattr(settings, lacks, False)
    assert Client().get(ASK).status_code == 404
    assert f'href="{ASK}"' not in Client().get("/sign-in/").content.decode()


@pytest.mark.parametrize("body", [{"name": ""}, {"name": "a\x00b"}, {"name": "x" * 400}, {}])
def test_what_is_no_name_is_refused_in_the_form(ada: User, body: dict[str, str]) -> None:
    assert Client().post(ASK, body).status_code == 200
    assert outbox.outbox == []


def test_a_superuser_makes_a_link_in_the_administration(ada: User) -> None:
    root = User.objects.create_superuser("root", password="correct horse battery")
    sent = {"action": "make_password_link", "_selected_action": [str(ada.pk)]}
    answer = client_of(root).post(reverse("admin:teams_user_changelist"), sent)
    found = re.search(r"<code>(\S+)</code>", answer.content.decode())
    assert found
    assert "no-store" in answer["Cache-Control"]
    assert "New password of ada" in Client().get(urlsplit(found[1]).path).content.decode()


def test_other_staff_make_none(ada: User) -> None:
    from django.contrib.auth.models import Permission

    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.all())
    sent = {"action": "make_password_link", "_selected_action": [str(ada.pk)]}
    answer = client_of(clerk).post(reverse("admin:teams_user_changelist"), sent, follow=True)
    assert "Only a superuser" in answer.content.decode()
    assert not PasswordReset.objects.exists()

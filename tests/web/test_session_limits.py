"""Sessions end by themselves, and their cookies cannot be set by a neighbour."""

import os
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from panel import session_limits, sign_in_limits
from teams.models import AuditEntry, User
from teams.services import sessions

PASSWORD = "correct horse battery"


def backdate(client: Client, **seconds: int) -> None:
    session = client.session
    for name, ago in seconds.items():
        session[name] = int(time.time()) - ago
    session.save()


@pytest.mark.parametrize(
    ("seconds", "status"),
    [
        ({"seen_at": 3540}, 200),
        ({"seen_at": 3600}, 302),
        ({"seen_at": 10, "signed_in_at": 7140}, 200),
        ({"seen_at": 10, "signed_in_at": 7200}, 302),
    ],
)
def test_a_session_ends_after_its_last_click_and_after_its_time(
    signed_in: Client, settings: Settings, seconds: dict[str, int], status: int
) -> None:
    settings.SESSION_IDLE_MINUTES, settings.SESSION_HOURS = 60, 2
    backdate(signed_in, **seconds)
    assert signed_in.get("/providers/").status_code == status


def test_the_sign_in_says_why(signed_in: Client, settings: Settings) -> None:
    backdate(signed_in, seen_at=settings.SESSION_IDLE_MINUTES * 60)
    answer = signed_in.get("/providers/", follow=True)
    assert "Your session has ended" in answer.content.decode()
    assert AuditEntry.objects.latest("pk").action == "user.sign_out"


def test_clicks_keep_it_and_polls_do_not(signed_in: Client, settings: Settings) -> None:
    backdate(signed_in, seen_at=600)
    signed_in.get("/providers/", headers={"HX-Request": "true"})
    assert time.time() - signed_in.session["seen_at"] >= 600
    signed_in.get("/providers/")
    assert time.time() - signed_in.session["seen_at"] < 60


def test_one_from_before_there_were_limits_lives_on(signed_in: Client) -> None:
    session = signed_in.session
    del session["seen_at"], session["signed_in_at"]
    session.save()
    assert signed_in.get("/providers/").status_code == 200
    assert time.time() - signed_in.session["signed_in_at"] < 60
    assert UserSession.objects.get().session_key == signed_in.session.session_key


def test_a_session_is_not_written_at_every_click(signed_in: Client) -> None:
    signed_in.get("/providers/")
    seen = signed_in.session[session_limits.SEEN_AT] - 30
    backdate(signed_in, seen_at=30)
    signed_in.get("/providers/")
    assert abs(signed_in.session[session_limits.SEEN_AT] - seen) <= 1


def test_signing_in_makes_another_session(admin: User) -> None:
    client = Client()
    client.get("/sign-in/passkey/", headers={"Accept": "application/json"})
    before = client.session.session_key
    client.post("/sign-in/", {"username": "ada", "password": PASSWORD})
    assert client.session.session_key != before


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("https://sluice.example", "__Host-sessionid __Host-csrftoken True True"),
        ("http://127.0.0.1:8000", "sessionid csrftoken False False"),
    ],
)
def test_cookies_are_bound_to_the_host_where_there_is_tls(address: str, names: str) -> None:
    program = (
        "import django; django.setup(); from django.conf import settings as s; "
        "print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE); "
        "assert (s.SESSION_COOKIE_PATH, s.CSRF_COOKIE_PATH) == ('/', '/'); "
        "assert s.SESSION_COOKIE_DOMAIN is s.CSRF_COOKIE_DOMAIN is None"
    )
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "panel.settings", "PANEL_URL": address, "LOG_LEVEL": "ERROR"}
    env.pop("CHECK", None)
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == (names, 0), done.stderr


def test_strangers_leave_no_lasting_sessions(db: None) -> None:
    cache.clear()
    for number in range(sign_in_limits.CHALLENGES_PER_SOURCE + 2):
        answer = Client().get("/sign-in/passkey/", headers={"Accept": "application/json"})
        assert answer.status_code == (200 if number < sign_in_limits.CHALLENGES_PER_SOURCE else 429)
    assert Session.objects.count() == sign_in_limits.CHALLENGES_PER_SOURCE
    assert Session.objects.latest("expire_date").expire_date - timezone.now() <= timedelta(minutes=10)


def test_sessions_that_are_over_are_forgotten(signed_in: Client, admin: User) -> None:
    for key, ago in (("over", 1), ("live", -1)):
        Session.objects.create(session_key=key, session_data="", expire_date=timezone.now() - timedelta(hours=ago))
        UserSession.objects.create(user=admin, session_key=key, ip="192.0.2.1", user_agent="x")
    assert sessions.forget_over() == 1
    assert UserSession.objects.get().session_key == "live"
    assert signed_in.get("/providers/").status_code == 200

"""Signing in, its limit, and signing out."""

import pytest
from django.test import Client, override_settings
from django.urls import reverse

from panel.web import session
from teams.models import User

PASSWORD = "correct horse battery"
pytestmark = pytest.mark.usefixtures("no_failures_counted")


def attempt(client: Client, password: str, *, username: str = "ada", address: str = "198.51.100.7") -> int:
    answer = client.post(
        reverse("sign-in"), {"username": username, "password": password, "next": "/providers/"}, REMOTE_ADDR=address
    )
    return answer.status_code


def test_a_right_password_opens_the_page_that_was_asked_for(admin: User) -> None:
    client = Client()
    answer = client.post(reverse("sign-in"), {"username": "ada", "password": PASSWORD, "next": "/providers/"})
    assert answer["Location"] == "/providers/"
    assert client.get("/providers/").status_code == 200


def test_it_never_leads_to_another_site(admin: User) -> None:
    answer = Client().post(
        reverse("sign-in"), {"username": "ada", "password": PASSWORD, "next": "https://evil.example/"}
    )
    assert answer["Location"] == reverse("overview")


def test_a_wrong_password_says_so_beside_the_form(admin: User) -> None:
    answer = Client().post(reverse("sign-in"), {"username": "ada", "password": "wrong"})
    assert "do not match" in answer.content.decode()


def test_too_many_failures_refuse_even_the_right_password_for_that_name_and_address(admin: User) -> None:
    client = Client()
    for _ in range(session.ATTEMPTS_PER_NAME):
        assert attempt(client, "wrong") == 200
    assert attempt(client, PASSWORD) == 200
    answer = client.post(reverse("sign-in"), {"username": "ADA", "password": PASSWORD}, REMOTE_ADDR="198.51.100.7")
    assert "Too many failed attempts" in answer.content.decode()
    assert attempt(Client(), PASSWORD, address="198.51.100.8") == 302


def test_an_address_that_tries_many_names_is_refused(admin: User) -> None:
    client = Client()
    for number in range(session.ATTEMPTS_PER_ADDRESS):
        attempt(client, "wrong", username=f"user{number}")
    assert attempt(client, PASSWORD) == 200


def test_success_forgets_the_failures_of_that_name(admin: User) -> None:
    for _ in range(session.ATTEMPTS_PER_NAME - 1):
        attempt(Client(), "wrong")
    assert attempt(Client(), PASSWORD) == 302
    assert attempt(Client(), "wrong") == 200
    assert attempt(Client(), PASSWORD) == 302


def test_the_cache_being_down_locks_nobody_out(admin: User) -> None:
    nowhere = {"BACKEND": "panel.valkey.cache.ValkeyCache", "LOCATION": "redis://127.0.0.1:1/0"}
    with override_settings(CACHES={"default": nowhere}):
        assert attempt(Client(), "wrong") == 200
        assert attempt(Client(), PASSWORD) == 302


def test_signing_out_needs_a_post(signed_in: Client) -> None:
    assert signed_in.get(reverse("sign-out")).status_code == 405
    assert signed_in.post(reverse("sign-out")).status_code == 302
    assert signed_in.get(reverse("overview")).status_code == 302


def test_the_admin_has_no_sign_in_of_its_own(db: None) -> None:
    answer = Client().get("/admin/login/?next=/admin/teams/user/")
    assert answer["Location"] == f"{reverse('sign-in')}?next=%2Fadmin%2Fteams%2Fuser%2F"


def test_a_poll_of_an_expired_session_leaves_the_page(db: None) -> None:
    answer = Client().get(reverse("overview"), headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == "/"

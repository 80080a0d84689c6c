"""Signing in, its limits, and signing out."""

import pytest
from django.contrib.auth import hashers
from django.core.cache import cache
from django.test import Client, override_settings
from django.urls import reverse
from pytest_django.fixtures import Settings

from panel import sign_in_limits
from panel.addresses import source_of
from teams.models import AuditEntry, User

PASSWORD = "correct horse battery"
pytestmark = pytest.mark.usefixtures("no_failures_counted")


def attempt(client: Client, password: str, *, username: str = "ada", address: str = "198.51.100.7") -> int:
    answer = client.post(
        reverse("sign-in"), {"username": username, "password": password, "next": "/providers/"}, REMOTE_ADDR=address
    )
    return answer.status_code


class Overlapping(hashers.MD5PasswordHasher):
    """While it hashes one password, the next attempt comes in, thirty deep."""

    hashed = 0

    def encode(self, password: str, salt: str) -> str:
        if password == "wrong" and Overlapping.hashed < 30:
            Overlapping.hashed += 1
            attempt(Client(), "wrong", username="nobody")
        return super().encode(password, salt)


def test_a_right_password_opens_the_page_that_was_asked_for(admin: User) -> None:
    client = Client()
    answer = client.post(reverse("sign-in"), {"username": "ada", "password": PASSWORD, "next": "/providers/"})
    assert answer["Location"] == "/providers/"
    assert client.get("/providers/").status_code == 200


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "//localhost/", "javascript:alert(1)"])
def test_it_never_leads_to_another_site(admin: User, target: str) -> None:
    answer = Client().post(reverse("sign-in"), {"username": "ada", "password": PASSWORD, "next": target})
    assert answer["Location"] == reverse("overview")


def test_a_wrong_password_says_so_beside_the_form(admin: User) -> None:
    answer = Client().post(reverse("sign-in"), {"username": "ada", "password": "wrong"})
    assert "do not match" in answer.content.decode()


def test_too_many_failures_refuse_even_the_right_password_for_that_name_and_address(admin: User) -> None:
    client = Client()
    for _ in range(sign_in_limits.ATTEMPTS_PER_NAME_AND_SOURCE):
        assert attempt(client, "wrong") == 200
    assert attempt(client, PASSWORD) == 200
    answer = client.post(reverse("sign-in"), {"username": "ADA", "password": PASSWORD}, REMOTE_ADDR="198.51.100.7")
    assert "Too many failed attempts" in answer.content.decode()
    assert attempt(Client(), PASSWORD, address="198.51.100.8") == 302


def test_an_attempt_is_counted_before_its_password_is_hashed(admin: User, settings: Settings) -> None:
    """Attempts that arrive while others are being hashed, as an attacker sends them, find those counted."""
    Overlapping.hashed = 0
    settings.PASSWORD_HASHERS = ["tests.web.test_sign_in.Overlapping"]
    attempt(Client(), "wrong", username="nobody")
    assert Overlapping.hashed == sign_in_limits.ATTEMPTS_PER_NAME_AND_SOURCE


def test_an_address_that_tries_many_names_is_refused(admin: User) -> None:
    client = Client()
    for number in range(sign_in_limits.ATTEMPTS_PER_SOURCE):
        attempt(client, "wrong", username=f"user{number}")
    assert attempt(client, PASSWORD) == 200


def test_a_network_of_ipv6_addresses_counts_as_one(admin: User) -> None:
    for number in range(sign_in_limits.ATTEMPTS_PER_NAME_AND_SOURCE):
        attempt(Client(), "wrong", address=f"2001:db8:0:7::{number + 1:x}")
    assert attempt(Client(), PASSWORD, address="2001:db8:0:7:ffff::1") == 200
    assert attempt(Client(), PASSWORD, address="2001:db8:0:8::1") == 302


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_what_counts_as_one_source(address: str, source: str) -> None:
    assert source_of(address) == source


def test_guesses_from_many_addresses_reach_a_limit_of_the_name(admin: User) -> None:
    assert attempt(Client(), PASSWORD, address="203.0.113.5") == 302
    for number in range(sign_in_limits.ATTEMPTS_PER_NAME):
        attempt(Client(), "wrong", address=f"10.0.{number}.1")
    assert attempt(Client(), PASSWORD, address="198.51.100.9") == 200
    # Where ada signed in before, a stranger's guesses do not lock her out.
    assert attempt(Client(), PASSWORD, address="203.0.113.5") == 302


def test_signing_in_where_one_is_known_takes_nothing_from_what_strangers_counted(admin: User) -> None:
    for _ in range(10):
        attempt(Client(), PASSWORD, address="203.0.113.5")
    for number in range(sign_in_limits.ATTEMPTS_PER_NAME):
        attempt(Client(), "wrong", address=f"10.0.{number}.1")
        attempt(Client(), PASSWORD, address="203.0.113.5")
    assert attempt(Client(), PASSWORD, address="198.51.100.9") == 200


def test_signing_in_at_a_new_place_counts_no_guess(admin: User) -> None:
    for number in range(sign_in_limits.ATTEMPTS_PER_NAME - 1):
        attempt(Client(), "wrong", address=f"10.0.{number}.1")
    for number in range(3):
        assert attempt(Client(), PASSWORD, address=f"203.0.113.{number}") == 302


def test_success_forgets_the_failures_of_that_name(admin: User) -> None:
    for _ in range(sign_in_limits.ATTEMPTS_PER_NAME_AND_SOURCE - 1):
        attempt(Client(), "wrong")
    assert attempt(Client(), PASSWORD) == 302
    assert attempt(Client(), "wrong") == 200
    assert attempt(Client(), PASSWORD) == 302


def test_an_office_behind_one_address_signs_in_as_often_as_it_likes(admin: User) -> None:
    for _ in range(sign_in_limits.ATTEMPTS_PER_SOURCE + 5):
        assert attempt(Client(), PASSWORD) == 302


def test_the_cache_being_down_locks_nobody_out(admin: User) -> None:
    nowhere = {"BACKEND": "panel.valkey.cache.ValkeyCache", "LOCATION": "redis://127.0.0.1:1/0"}
    with override_settings(CACHES={"default": nowhere}):
        assert attempt(Client(), "wrong") == 200
        assert attempt(Client(), PASSWORD) == 302


def test_passwords_can_be_switched_off(admin: User, settings: Settings) -> None:
    settings.PASSWORDS = False
    answer = Client().post(reverse("sign-in"), {"username": "ada", "password": PASSWORD})
    assert answer.status_code == 200
    assert "_auth_user_id" not in answer.client.session
    assert 'name="password"' not in Client().get(reverse("sign-in")).content.decode()


def test_a_user_who_is_switched_off_is_told_no_more_than_a_stranger(admin: User) -> None:
    User.objects.filter(pk=admin.pk).update(is_active=False)
    answer = Client().post(reverse("sign-in"), {"username": "ada", "password": PASSWORD})
    assert "do not match" in answer.content.decode()


def test_nobody_signs_up(db: None) -> None:
    assert Client().post("/sign-in/closed/", {"username": "eve", "password1": PASSWORD})["Location"] == "/sign-in/"
    assert not User.objects.filter(username="eve").exists()


def test_signing_out_needs_a_post(signed_in: Client) -> None:
    assert signed_in.get(reverse("sign-out")).status_code == 405
    assert signed_in.post(reverse("sign-out")).status_code == 302
    assert signed_in.get(reverse("overview")).status_code == 302


def test_the_admin_has_no_sign_in_of_its_own(db: None) -> None:
    answer = Client().get("/admin/login/?next=/admin/teams/user/")
    assert answer["Location"] == f"{reverse('sign-in')}?next=%2Fadmin%2Fteams%2Fuser%2F"


def test_who_is_no_staff_is_refused_by_the_admin_and_not_sent_in_circles(signed_in: Client) -> None:
    answer = signed_in.get("/admin/", follow=True)
    assert (answer.status_code, answer.redirect_chain) == (403, [("/admin/login/?next=/admin/", 302)])


def test_a_poll_of_an_expired_session_leaves_the_page(db: None) -> None:
    answer = Client().get(reverse("overview"), headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == "/"


def test_the_audit_log_tells_of_it(admin: User) -> None:
    attempt(Client(), "wrong")
    attempt(Client(), PASSWORD)
    told = AuditEntry.objects.order_by("pk").values_list("action", "object_name", "ip")
    assert list(told) == [
        ("user.sign_in_failed", "ada", "198.51.100.7"),
        ("user.sign_in", "ada", "198.51.100.7"),
    ]


def test_nothing_counted_holds_a_name_or_an_address(admin: User) -> None:
    attempt(Client(), "wrong", address="198.51.100.77")
    client = cache._cache.get_client(None)  # type: ignore[attr-defined]
    names = [key.decode() for key in client.keys("*sign-in*")]
    assert len(names) == 3
    assert not [name for name in names if "ada" in name or "198.51" in name]


def test_a_service_account_never_signs_in(admin: User) -> None:
    admin.is_service_account = True
    admin.save()
    assert attempt(Client(), PASSWORD) == 200
    assert "_auth_user_id" not in Client().session

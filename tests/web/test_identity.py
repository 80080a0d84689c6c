"""Signing in with an identity provider: a real OpenID Connect provider on this machine, whose users the test makes."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import oidc_provider_mock
import pytest
import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django.fixtures import Settings

from panel import identity_settings
from panel.environment import Environment
from teams.models import AuditEntry, Membership, Role, Team, User
from teams.services import invitations
from teams.services.accounts import is_verified
from tests.factories import make_user
from tests.second_factors import make_app
from tests.web.conftest import client_of

LOGIN = "/identity/oidc/login/"
SUB = "kim-4711"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with oidc_provider_mock.run_server_in_thread() as server:
        yield f"http://localhost:{server.server_port}"


def configure(settings: Settings, issuer: str, monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    values = {"ISSUER": issuer, "CLIENT_ID": "sluice", "CLIENT_SECRET": "secret", "NAME": "Acme ID", **more}
    for name, value in values.items():
        monkeypatch.setenv(f"SLUICE_OIDC_{name}", value)
    settings.IDENTITY = identity_settings.read(Environment(), secure=False)
    settings.SOCIALACCOUNT_PROVIDERS = settings.IDENTITY.providers


@pytest.fixture(autouse=True)
def oidc(settings: Settings, issuer: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    cache.clear()
    configure(settings, issuer, monkeypatch)
    return lambda **more: configure(settings, issuer, monkeypatch, **more)


def claims(issuer: str, sub: str = SUB, **said: Any) -> None:
    requests.put(f"{issuer}/users/{sub}", json={"preferred_username": "kim", **said}, timeout=10).raise_for_status()


def sign_in(client: Client, sub: str = SUB, **sent: str) -> Any:
    """Leaves for the provider, signs in there, and comes back; the answer after all redirects."""
    page = client.post(LOGIN, sent).content.decode()
    found = re.search(r'content="0;url=([^"]+)"', page)
    assert found, page
    there = found[1].replace("&amp;", "&")
    back = requests.post(there, data={"sub": sub}, allow_redirects=False, timeout=10).headers["Location"]
    parts = urlsplit(back)
    return client.get(parts.path, {name: value[0] for name, value in parse_qs(parts.query).items()}, follow=True)


def test_the_sign_in_page_offers_it(db: None) -> None:
    page = Client().get("/sign-in/?next=/providers/").content.decode()
    assert "Sign in with Acme ID" in page
    assert f'action="{LOGIN}"' in page


def test_who_is_in_a_mapped_group_gets_an_account_and_the_role(team: Team, oidc: Any, issuer: str) -> None:
    oidc(GROUPS="devs=acme:operator")
    claims(issuer, groups=["devs", "other"])
    answer = sign_in(Client())
    assert "Acme · Operator" in answer.content.decode()
    user = User.objects.get(username="kim")
    assert not user.has_usable_password()
    assert AuditEntry.objects.get(action="user.create").changes == {"identity": [None, "oidc"]}


def test_the_groups_count_at_every_sign_in(team: Team, admin: User, oidc: Any, issuer: str) -> None:
    oidc(GROUPS="devs=acme:operator,ops=acme:admin")
    claims(issuer, groups=["devs"])
    sign_in(Client())
    claims(issuer, groups=["ops"])
    assert "Acme · Admin" in sign_in(Client()).content.decode()
    claims(issuer, groups=[])
    assert "You are in no team yet" in sign_in(Client()).content.decode()


def test_a_stranger_gets_no_account(db: None, issuer: str) -> None:
    claims(issuer, groups=["devs"], email="kim@example.com", email_verified=True)
    answer = sign_in(Client())
    assert "You have no account here" in answer.content.decode()
    assert not User.objects.exists()
    assert not SocialAccount.objects.exists()


def test_an_invited_person_joins_with_it(team: Team, admin: User, issuer: str) -> None:
    claims(issuer)
    _, link = invitations.create(team=team, actor=admin, role=Role.OPERATOR)
    path = urlsplit(link or "").path
    client = Client()
    assert "Join with Acme ID" in client.get(path).content.decode()
    answer = sign_in(client, next=path)
    assert "Acme · Operator" in answer.content.decode()
    assert Client().get(path).status_code == 404


@pytest.mark.parametrize(
    ("trusted", "said", "proven", "opens"),
    [
        ("true", True, True, True),
        ("false", True, True, False),
        ("true", False, True, False),
        ("true", True, False, False),
    ],
    ids=["all agree", "not trusted", "provider did not verify", "nobody proved it here"],
)
def test_an_address_opens_an_account_only_where_all_agree(
    team: Team, oidc: Any, issuer: str, trusted: str, said: bool, proven: bool, opens: bool
) -> None:
    """Else who makes an account with somebody's address at the provider would take theirs over here."""
    oidc(TRUST_EMAIL=trusted)
    mine = make_user(team=team, username="mine", email="kim@example.com", password="correct horse battery")
    EmailAddress.objects.create(user=mine, email="kim@example.com", verified=proven, primary=True)
    claims(issuer, sub="eve", email="kim@example.com", email_verified=said)
    answer = sign_in(Client(), sub="eve")
    assert ("Acme · Admin" in answer.content.decode()) is opens
    assert SocialAccount.objects.filter(user=mine).exists() is opens
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("here", "there", "opens"),
    [
        ("kim@mail.example", "KIM@Mail.Example", True),
        ("kim@mail.example", "k\N{LATIN SMALL LETTER DOTLESS I}m@mail.example", False),
        ("kim@mail.example", "kim@ma\N{LATIN SMALL LETTER DOTLESS I}l.example", False),
        ("desk@mail.example", "de\N{LATIN SMALL LETTER LONG S}k@mail.example", False),
        ("strasse@mail.example", "stra\N{LATIN SMALL LETTER SHARP S}e@mail.example", False),
    ],
    ids=["other case", "dotless i", "dotless i in the domain", "long s", "sharp s"],
)
def test_addresses_that_look_alike_are_others(
    team: Team, oidc: Any, issuer: str, here: str, there: str, opens: bool
) -> None:
    oidc(TRUST_EMAIL="true")
    mine = make_user(team=team, username="mine", email=here)
    EmailAddress.objects.create(user=mine, email=here, verified=True, primary=True)
    claims(issuer, sub="eve", email=there, email_verified=True)
    sign_in(Client(), sub="eve")
    assert SocialAccount.objects.filter(user=mine).exists() is opens


@pytest.mark.parametrize("trusted", ["true", "false"])
def test_an_address_of_a_provider_is_proven_only_where_it_is_trusted(
    team: Team, oidc: Any, issuer: str, trusted: str
) -> None:
    oidc(GROUPS="devs=acme:viewer", TRUST_EMAIL=trusted)
    claims(issuer, groups=["devs"], email="kim@example.com", email_verified=True)
    sign_in(Client())
    user = User.objects.get(username="kim")
    assert user.email == "kim@example.com"
    assert is_verified(user) is (trusted == "true")


def test_connecting_proves_no_address(signed_in: Client, admin: User, issuer: str) -> None:
    User.objects.filter(pk=admin.pk).update(email="ada@example.com")
    claims(issuer, email="ada@example.com", email_verified=True)
    sign_in(signed_in, process="connect")
    sign_in(Client())
    admin.refresh_from_db()
    assert not is_verified(admin)


def test_a_new_account_does_not_carry_an_address_that_somebody_has(
    team: Team, admin: User, oidc: Any, issuer: str
) -> None:
    oidc(GROUPS="devs=acme:viewer")
    User.objects.filter(pk=admin.pk).update(email="ada@example.com")
    claims(issuer, groups=["devs"], email="ada@example.com", email_verified=True)
    sign_in(Client())
    assert User.objects.get(username="kim").email == ""
    assert not EmailAddress.objects.exists()


def test_the_name_of_somebody_else_is_not_taken_over(team: Team, admin: User, oidc: Any, issuer: str) -> None:
    oidc(GROUPS="devs=acme:viewer")
    claims(issuer, preferred_username="ada", groups=["devs"])
    sign_in(Client())
    user = SocialAccount.objects.get().user
    assert user != admin
    assert user.username.lower() != "ada"


def test_an_account_is_connected_by_its_owner(signed_in: Client, admin: User, issuer: str) -> None:
    claims(issuer)
    answer = sign_in(signed_in, process="connect")
    assert "oidc" in answer.content.decode()
    assert SocialAccount.objects.get().user == admin
    assert "Acme · Admin" in sign_in(Client()).content.decode()
    signed_in.post("/profile/identities/", {"account": SocialAccount.objects.get().pk})
    assert not SocialAccount.objects.exists()
    acts = AuditEntry.objects.filter(action__startswith="identity.").order_by("pk")
    assert [entry.action for entry in acts] == ["identity.connect", "identity.disconnect"]


def test_a_second_factor_here_is_asked_for_after_it(signed_in: Client, admin: User, issuer: str) -> None:
    claims(issuer)
    sign_in(signed_in, process="connect")
    make_app(admin)
    answer = sign_in(Client())
    assert answer.request["PATH_INFO"] == "/sign-in/second-factor/"


@pytest.mark.parametrize(("counts", "lands_on"), [("true", "/"), ("false", "/profile/second-factor/")])
def test_its_sign_in_counts_as_a_second_factor_if_set(
    team: Team, admin: User, oidc: Any, issuer: str, counts: str, lands_on: str
) -> None:
    oidc(GROUPS="devs=acme:viewer", SECOND_FACTOR=counts)
    Team.objects.update(requires_second_factor=True)
    claims(issuer, groups=["devs"])
    assert sign_in(Client()).request["PATH_INFO"] == lands_on


def test_who_has_nothing_here_to_confirm_with_signs_in_again(
    team: Team, admin: User, oidc: Any, issuer: str, settings: Settings
) -> None:
    oidc(GROUPS="devs=acme:admin")
    claims(issuer, groups=["devs"])
    client = Client()
    sign_in(client)
    assert client.get("/members/invite/").status_code == 200
    settings.CONFIRMATION_MINUTES = 0
    assert client.get("/members/invite/")["Location"] == "/confirm-password/again/?next=%2Fmembers%2Finvite%2F"
    page = client.get("/confirm-password/again/?next=/members/invite/").content.decode()
    assert 'value="/sign-in/?next=/members/invite/"' in page


def test_leaving_needs_a_post_and_has_a_limit(db: None) -> None:
    assert Client().get(LOGIN).status_code == 405
    assert Client().post("/identity/unknown/login/").status_code == 404
    assert Client().post("/identity/github/login/").status_code == 404
    statuses = [Client().post(LOGIN).status_code for _ in range(61)]
    assert (statuses[0], statuses[-1]) == (200, 429)


@pytest.mark.parametrize("query", ["", "?code=x", "?code=x&state=made-up", "?error=access_denied&state=x"])
def test_a_forged_answer_signs_nobody_in(db: None, query: str) -> None:
    client = Client()
    answer = client.get(f"{LOGIN}callback/{query}", follow=True)
    assert answer.status_code in {200, 401, 403}
    assert "_auth_user_id" not in client.session


def test_nobody_connects_for_somebody_else(team: Team, issuer: str) -> None:
    """The state that the session keeps is what ties the answer to who asked."""
    claims(issuer)
    kim = client_of(make_user(team=team, username="kim"))
    page = kim.post(LOGIN, {"process": "connect"}).content.decode()
    there = re.search(r'content="0;url=([^"]+)"', page)[1].replace("&amp;", "&")  # type: ignore[index]
    back = requests.post(there, data={"sub": SUB}, allow_redirects=False, timeout=10).headers["Location"]
    eve = client_of(make_user(team=team, username="eve"))
    eve.get(f"{urlsplit(back).path}?{urlsplit(back).query}", follow=True)
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"OIDC_CLIENT_SECRET": ""}, "SLUICE_OIDC_CLIENT_SECRET"),
        ({"OIDC_ISSUER": ""}, "SLUICE_OIDC_ISSUER"),
        ({"OIDC_ISSUER": "http://id.example.com"}, "https"),
        ({"OIDC_GROUPS": "devs"}, "SLUICE_OIDC_GROUPS"),
        ({"OIDC_GROUPS": "devs=acme:owner"}, "SLUICE_OIDC_GROUPS"),
        ({"GITHUB_CLIENT_ID": "x"}, "SLUICE_GITHUB_CLIENT_SECRET"),
    ],
)
def test_settings_that_cannot_work_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], told: str
) -> None:
    monkeypatch.setenv("SLUICE_OIDC_ISSUER", "https://id.example.com")
    for name, value in values.items():
        monkeypatch.setenv(f"SLUICE_{name}", value)
    with pytest.raises(ImproperlyConfigured, match=told):
        identity_settings.read(Environment(), secure=True)


def test_gitlab_and_github_are_set_up_by_their_client_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLUICE_OIDC_CLIENT_ID")
    for name in ("GITHUB", "GITLAB"):
        monkeypatch.setenv(f"SLUICE_{name}_CLIENT_ID", "id")
        monkeypatch.setenv(f"SLUICE_{name}_CLIENT_SECRET", "secret")
    monkeypatch.setenv("SLUICE_GITHUB_GROUPS", "acme/devs=acme:operator")
    found = identity_settings.read(Environment(), secure=True)
    assert set(found.known) == {"github", "gitlab"}
    [app] = found.providers["openid_connect"]["APPS"]
    assert (app["provider_id"], app["settings"]) == ("gitlab", {"server_url": "https://gitlab.com"})
    assert found.providers["github"]["SCOPE"] == ["user:email", "read:org"]
    assert found.known["github"].groups == {"acme/devs": ("acme", "operator")}


def test_a_membership_given_by_hand_elsewhere_stays(team: Team, admin: User, oidc: Any, issuer: str) -> None:
    oidc(GROUPS="devs=acme:viewer")
    other = Team.objects.create(name="Initech", slug="initech")
    claims(issuer, groups=["devs"])
    sign_in(Client())
    Membership.objects.create(team=other, user=User.objects.get(username="kim"), role=Role.ADMIN)
    sign_in(Client())
    assert Membership.objects.filter(team=other, role=Role.ADMIN).exists()

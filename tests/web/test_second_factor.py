"""Second factors: set up, asked for at the sign-in, required, lost."""

import json
import re
from collections.abc import Iterator

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.test import Client, override_settings
from django.urls import clear_script_prefix, reverse, set_script_prefix
from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks, Settings

from panel import sign_in_limits
from teams import encryption
from teams.models import AuditEntry, Scope, Team, User
from teams.services import tokens
from tests.factories import make_user
from tests.second_factors import SECRET, code_of, make_app, recovery_codes
from tests.web.conftest import client_of

PASSWORD = "correct horse battery"
INDEX, CODE = "/profile/second-factor/", "/sign-in/second-factor/"
pytestmark = pytest.mark.usefixtures("no_failures_counted")


def first_step(client: Client) -> str:
    answer = client.post("/sign-in/", {"username": "ada", "password": PASSWORD, "next": "/providers/"})
    return answer["Location"]


def acts() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


def test_an_app_is_set_up_with_its_first_code_and_gives_recovery_codes(
    signed_in: Client, admin: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    page = signed_in.get("/profile/app/add/").content.decode()
    secret = signed_in.session["mfa.totp.secret"]
    assert secret in page
    wrong = signed_in.post("/profile/app/add/", {"code": "000000"}).content.decode()
    assert "This code is not right" in wrong
    with django_capture_on_commit_callbacks(execute=True):
        answer = signed_in.post("/profile/app/add/", {"code": code_of(secret)}, follow=True)
    assert recovery_codes(admin)[0] in answer.content.decode()
    assert acts()[-2:] == ["second_factor.add", "second_factor.add"]


def test_what_the_database_holds_of_an_app_is_encrypted(admin: User) -> None:
    row = make_app(admin)
    stored = json.dumps(list(Authenticator.objects.values_list("data", flat=True)))
    assert SECRET not in stored
    assert encryption.key_id(row.data["secret"]) == encryption.key_ids()[0]


def test_the_password_alone_opens_nothing_then_the_code_does(admin: User) -> None:
    make_app(admin)
    client = Client()
    assert first_step(client) == CODE
    assert client.get("/providers/")["Location"] == "/sign-in/?next=/providers/"
    assert client.post(CODE, {"code": "12345"}).status_code == 200
    answer = client.post(CODE, {"code": code_of()})
    assert answer["Location"] == "/providers/"
    assert client.get("/providers/").status_code == 200
    assert acts() == ["user.sign_in_failed", "user.sign_in"]


def test_a_code_opens_once(admin: User) -> None:
    make_app(admin)
    code = code_of()
    for client, expected in ((Client(), 302), (Client(), 200)):
        first_step(client)
        assert client.post(CODE, {"code": code}).status_code == expected


def test_a_recovery_code_opens_once(admin: User) -> None:
    make_app(admin)
    code = recovery_codes(admin)[0]
    for client, expected in ((Client(), 302), (Client(), 200)):
        first_step(client)
        assert client.post(CODE, {"code": code}).status_code == expected
    assert code not in recovery_codes(admin)


def test_codes_are_limited_like_passwords(admin: User) -> None:
    make_app(admin)
    client = Client()
    first_step(client)
    for _ in range(sign_in_limits.ATTEMPTS_PER_NAME_AND_SOURCE):
        assert "not right" in client.post(CODE, {"code": "000000"}).content.decode()
    answer = client.post(CODE, {"code": recovery_codes(admin)[0]})
    assert "Too many failed attempts" in answer.content.decode()


def test_a_right_password_takes_back_no_wrong_code(admin: User) -> None:
    make_app(admin)
    for _ in range(sign_in_limits.ATTEMPTS_PER_NAME_AND_SOURCE):
        client = Client()
        first_step(client)
        client.post(CODE, {"code": "000000"})
    client = Client()
    assert first_step(client) == CODE
    assert "Too many failed attempts" in client.post(CODE, {"code": code_of()}).content.decode()


def test_without_valkey_a_code_is_not_taken_on_trust(admin: User) -> None:
    make_app(admin)
    client = Client()
    first_step(client)
    nowhere = {"BACKEND": "panel.valkey.cache.ValkeyCache", "LOCATION": "redis://127.0.0.1:1/0"}
    with override_settings(CACHES={"default": nowhere}):
        answer = client.post(CODE, {"code": code_of()})
    assert "Valkey does not answer" in answer.content.decode()


def test_cancelling_at_the_second_factor_forgets_the_password(admin: User) -> None:
    make_app(admin)
    client = Client()
    first_step(client)
    client.post("/sign-out/")
    assert client.get(CODE)["Location"].startswith("/sign-in/")


def test_removing_the_app_takes_the_recovery_codes_with_it(signed_in: Client, admin: User) -> None:
    make_app(admin)
    assert signed_in.post("/profile/app/remove/")["Location"] == INDEX
    assert not Authenticator.objects.exists()
    assert acts()[-2:] == ["second_factor.remove", "second_factor.remove"]


@pytest.mark.parametrize("page", ["/profile/app/add/", "/profile/passkeys/add/", "/profile/recovery-codes/"])
def test_an_old_session_proves_first_who_it_is(signed_in: Client, admin: User, settings: Settings, page: str) -> None:
    if "recovery" in page:
        make_app(admin)
    settings.CONFIRMATION_MINUTES = 0
    assert signed_in.get(page)["Location"] == f"/confirm-password/?next={page.replace('/', '%2F')}"


def test_a_second_factor_confirms_as_well_as_the_password(signed_in: Client, admin: User, settings: Settings) -> None:
    make_app(admin)
    settings.CONFIRMATION_MINUTES = 0
    page = signed_in.get("/confirm-password/?next=/tokens/").content.decode()
    assert 'href="/confirm-password/code/?next=%2Ftokens%2F"' in page
    answer = signed_in.post("/confirm-password/code/", {"code": code_of(), "next": "/tokens/"})
    assert answer["Location"] == "/tokens/"
    assert acts()[-1] == "user.confirm_second_factor"


def test_new_recovery_codes_replace_the_old(signed_in: Client, admin: User) -> None:
    make_app(admin)
    before = recovery_codes(admin)
    answer = signed_in.post("/profile/recovery-codes/renew/", follow=True)
    assert recovery_codes(admin)[0] in answer.content.decode()
    assert not set(before) & set(recovery_codes(admin))
    download = signed_in.get("/profile/recovery-codes/download/").content.decode()
    assert all(code in download for code in recovery_codes(admin))


def test_a_team_that_asks_for_one_shows_nothing_without(signed_in: Client, admin: User, team: Team) -> None:
    Team.objects.filter(pk=team.pk).update(requires_second_factor=True)
    for url in ("/", "/providers/", "/tokens/"):
        assert signed_in.get(url)["Location"] == INDEX
    answer = signed_in.get("/", follow=True)
    assert (answer.status_code, "Set up a second factor first" in answer.content.decode()) == (200, True)
    make_app(admin)
    assert signed_in.get("/providers/").status_code == 200


def test_so_does_any_team_of_a_person_whichever_is_at_hand(admin: User, team: Team) -> None:
    other = Team.objects.create(name="Initech", slug="initech", requires_second_factor=True)
    other.memberships.create(user=admin, role="viewer")
    assert client_of(admin).get("/providers/")["Location"] == INDEX


@pytest.mark.parametrize(
    ("setting", "staff", "pages", "administration"),
    [
        ("everyone", False, 302, 403),
        ("staff", False, 200, 403),
        ("staff", True, 302, 302),
        ("optional", True, 200, 200),
    ],
)
def test_the_setting_asks_for_one(
    team: Team, settings: Settings, setting: str, staff: bool, pages: int, administration: int
) -> None:
    settings.SECOND_FACTOR = setting
    client = client_of(make_user(team=team, username="kim", is_staff=staff))
    assert client.get("/providers/").status_code == pages
    if staff:
        assert client.get("/admin/").status_code == administration


def test_somebody_without_a_team_can_set_one_up(db: None) -> None:
    client = client_of(User.objects.create_user("new", password=PASSWORD))
    assert client.get(INDEX).status_code == 200
    assert client.get("/profile/app/add/").status_code == 200


GARBAGE = [
    "",
    "{",
    "[]",
    "7",
    '"x"',
    "null",
    "{}",
    '{"id": 1}',
    '{"id": "a", "rawId": "b", "response": 3, "type": "x"}',
]


@pytest.mark.parametrize("credential", GARBAGE)
@pytest.mark.parametrize("url", ["/sign-in/passkey/", "/profile/passkeys/add/", "/confirm-password/passkey/", CODE])
def test_a_malformed_passkey_is_refused_and_breaks_nothing(admin: User, url: str, credential: str) -> None:
    Authenticator.objects.create(user=admin, type=Authenticator.Type.WEBAUTHN, data=PASSKEY)
    client = client_of(admin) if url[1:8] in {"profile", "confirm"} else Client()
    if url == CODE:
        first_step(client)
    client.get(url, headers={"Accept": "application/json"})
    assert client.post(url, {"credential": credential, "name": "x"}).status_code in {200, 302}
    assert Authenticator.objects.count() == 1


def test_the_page_lists_passkeys_by_name(signed_in: Client, admin: User) -> None:
    row = Authenticator.objects.create(user=admin, type=Authenticator.Type.WEBAUTHN, data=PASSKEY)
    page = signed_in.get(INDEX).content.decode()
    assert re.search(r"Laptop.*signs in alone", page, re.DOTALL)
    signed_in.post(f"/profile/passkeys/{row.pk}/", {"name": "Key ring"})
    assert "Key ring" in signed_in.get(INDEX).content.decode()
    signed_in.post(f"/profile/passkeys/{row.pk}/remove/")
    assert not Authenticator.objects.exists()


def test_nobody_elses_passkey_is_found(strange: Client, admin: User) -> None:
    row = Authenticator.objects.create(user=admin, type=Authenticator.Type.WEBAUTHN, data=PASSKEY)
    for url in (f"/profile/passkeys/{row.pk}/", f"/profile/passkeys/{row.pk}/remove/"):
        assert strange.get(url).status_code == 404
        assert strange.post(url, {"name": "x"}).status_code == 404


def test_an_administrator_resets_a_lost_one(admin: User, team: Team) -> None:
    make_app(admin)
    root = client_of(User.objects.create_superuser("root"))
    root.post(reverse("admin:teams_user_changelist"), {"action": "reset_second_factor", "_selected_action": [admin.pk]})
    assert not Authenticator.objects.exists()
    entry = AuditEntry.objects.get(action="second_factor.reset")
    assert (entry.actor_name, entry.object_name, entry.source) == ("root", "ada", "admin")
    client = Client()
    assert first_step(client) == "/providers/"


PASSKEY = json.loads(
    """{"name": "Laptop", "credential": {
      "id": "AAAAAAAAAAAAAAAAAAAAAA", "rawId": "AAAAAAAAAAAAAAAAAAAAAA", "type": "public-key",
      "clientExtensionResults": {"credProps": {"rk": true}},
      "response": {"clientDataJSON": "e30", "attestationObject": ""}}}"""
)


@pytest.fixture(autouse=True, scope="module")
def a_passkey() -> None:
    """A credential as a browser hands it over, made by the library's own types."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from fido2.cose import ES256
    from fido2.utils import websafe_encode
    from fido2.webauthn import (
        Aaguid,
        AttestationObject,
        AttestedCredentialData,
        AuthenticatorData,
        CollectedClientData,
    )

    key = ES256.from_cryptography_key(ec.generate_private_key(ec.SECP256R1()).public_key())
    data = AttestedCredentialData.create(Aaguid(bytes(16)), bytes(16), key)
    flags = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV | AuthenticatorData.FLAG.AT
    made = AuthenticatorData.create(bytes(32), flags, 0, data)
    client = CollectedClientData.create(type="webauthn.create", challenge=bytes(32), origin="https://testserver")
    PASSKEY["credential"]["response"]["clientDataJSON"] = websafe_encode(client)
    PASSKEY["credential"]["response"]["attestationObject"] = websafe_encode(AttestationObject.create("none", made, {}))
    cache.clear()


@pytest.fixture
def prefix() -> Iterator[str]:
    """As a WSGI server serves the panel below a path (PEP 3333, SCRIPT_NAME); Django's handler notes it so."""
    set_script_prefix("/sluice/")
    yield "/sluice"
    clear_script_prefix()


def test_under_a_prefix_nothing_opens_without_the_factor_that_is_required(
    admin: User, team: Team, settings: Settings, prefix: str
) -> None:
    User.objects.filter(pk=admin.pk).update(is_staff=True, is_superuser=True)
    settings.SECOND_FACTOR = "everyone"
    client = client_of(admin)
    for path in ("/providers/", "/admin/", "/admin/teams/user/"):
        answer = client.get(path, SCRIPT_NAME=prefix)
        assert answer["Location"] == "/sluice/profile/second-factor/", path
    region = client.get("/providers/", SCRIPT_NAME=prefix, headers={"HX-Request": "true"})
    assert region["HX-Redirect"] == "/sluice/"
    stranger = Client().get("/providers/", SCRIPT_NAME=prefix, headers={"HX-Request": "true"})
    assert stranger["HX-Redirect"] == "/sluice/"


def test_under_a_prefix_the_audit_log_tells_the_api_from_pages(admin: User, team: Team, prefix: str) -> None:
    _, plain = tokens.create(actor=admin, team=team, name="ci", scope=Scope.ADMIN)
    answer = Client().post(
        "/api/v1/invitations/",
        {"role": "viewer"},
        content_type="application/json",
        SCRIPT_NAME=prefix,
        headers={"Authorization": f"Bearer {plain}"},
    )
    assert answer.status_code == 201, answer.content
    assert AuditEntry.objects.get(action="invitation.create").source == "api"

"""Giving the password again before what cannot be taken back."""

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from integrations.models import SSHKey
from panel.identity_settings import Identities, IdentityProvider
from teams.models import AuditEntry, Team, User
from tests.web.scene import Scene, make_scene

PASSWORD = "correct horse battery"
PAGE = "/confirm-password/"


@pytest.fixture(autouse=True)
def long_ago(settings: Settings) -> None:
    """Every sign-in was too long ago."""
    settings.CONFIRMATION_MINUTES = 0
    cache.clear()


@pytest.fixture
def scene(team: Team) -> Scene:
    return make_scene(team)


@pytest.mark.parametrize(
    "name", ["integration-delete", "provider-delete", "account-delete", "repository-delete", "ssh-key-revoke"]
)
def test_it_is_asked_for_before_a_form_and_leads_back_to_it(
    signed_in: Client, scene: Scene, settings: Settings, name: str
) -> None:
    url = scene.about()[name]
    answer = signed_in.get(url)
    assert answer["Location"] == f"{PAGE}?next={url.replace('/', '%2F')}"
    assert "current-password" in signed_in.get(answer["Location"]).content.decode()

    settings.CONFIRMATION_MINUTES = 15
    back = signed_in.post(PAGE, {"password": PASSWORD, "next": url})
    assert back["Location"] == url
    assert signed_in.get(url).status_code == 200
    assert AuditEntry.objects.get(action="user.confirm_password").actor_name == "ada"


@pytest.mark.parametrize(
    ("name", "sent"),
    [("integration-rotate-key", {}), ("integration-rotate-secret", {}), ("integration-webhook", {"action": "show"})],
)
def test_what_a_button_sends_is_not_done_and_leads_back_to_its_page(
    signed_in: Client, scene: Scene, name: str, sent: dict[str, str]
) -> None:
    page = reverse("integration-detail", args=[scene.integration.pk])
    answer = signed_in.post(scene.actions()[name], sent, headers={"Referer": f"http://testserver{page}?tab=1"})
    assert answer["Location"] == f"{PAGE}?next={page.replace('/', '%2F')}%3Ftab%3D1"
    assert scene.integration.operations.count() == 1  # the scene's own
    assert scene.integration.webhook_secret not in answer.content.decode()


def test_within_the_dialog_the_whole_page_goes(signed_in: Client, scene: Scene) -> None:
    page = f"http://testserver{reverse('ssh-key-list')}"
    answer = signed_in.get(scene.about()["ssh-key-revoke"], headers={"HX-Request": "true", "HX-Current-URL": page})
    assert answer["HX-Redirect"] == f"{PAGE}?next=%2Fssh-keys%2F"


def test_a_wrong_password_is_told_at_the_field_and_counted(signed_in: Client, scene: Scene) -> None:
    for _ in range(8):
        page = signed_in.post(PAGE, {"password": "wrong", "next": "/tokens/"}).content.decode()
        assert "This is not your password." in page
        assert 'value="/tokens/"' in page
    assert "Too many failed attempts" in signed_in.post(PAGE, {"password": PASSWORD}).content.decode()
    assert AuditEntry.objects.filter(action="user.sign_in_failed", object_name="ada").count() == 8


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_it_leads_to_no_other_site(signed_in: Client, target: str) -> None:
    assert signed_in.post(PAGE, {"password": PASSWORD, "next": target})["Location"] == reverse("overview")


def test_who_has_no_password_here_is_not_asked(signed_in: Client, admin: User, scene: Scene) -> None:
    admin.set_unusable_password()
    admin.save()
    signed_in.force_login(admin)
    assert signed_in.get(scene.about()["integration-delete"]).status_code == 200


def test_looking_needs_no_password(signed_in: Client, scene: Scene) -> None:
    assert signed_in.get(reverse("integration-detail", args=[scene.integration.pk])).status_code == 200
    assert SSHKey.objects.get().state == "current"


@pytest.mark.parametrize(
    "url",
    ["/profile/app/add/", "/profile/passkeys/add/", "/profile/identities/", "/profile/password/", "/profile/email/"],
)
def test_another_way_in_is_added_only_by_who_proved_lately_who_they_are(
    signed_in: Client, settings: Settings, url: str
) -> None:
    """Else an open browser would be enough to stay in."""
    for answer in (signed_in.get(url), signed_in.post(url, {"code": "000000"})):
        assert answer["Location"].startswith(f"{PAGE}?next=")
    settings.CONFIRMATION_MINUTES = 15
    assert signed_in.get(url).status_code == 200


def test_an_identity_is_connected_only_by_who_proved_lately_who_they_are(signed_in: Client, settings: Settings) -> None:
    provider = IdentityProvider("github", "GitHub", False, False, "groups", {})
    app = {"client_id": "id", "secret": "secret", "name": "GitHub"}
    settings.IDENTITY = Identities({"github": {"APPS": [app]}}, {"github": provider})
    settings.SOCIALACCOUNT_PROVIDERS = settings.IDENTITY.providers
    answer = signed_in.post("/identity/github/login/", {"process": "connect"})
    assert answer["Location"].startswith(f"{PAGE}?next=")
    settings.CONFIRMATION_MINUTES = 15
    page = signed_in.post("/identity/github/login/", {"process": "connect"}).content.decode()
    assert "https://github.com/login/oauth/authorize" in page

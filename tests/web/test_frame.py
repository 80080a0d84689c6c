"""What holds for every page: the policy of its contents, error pages, health, the admin."""

import re

import pytest
from django.apps import apps
from django.contrib import admin as django_admin
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse

from integrations.providers.registry import PROVIDERS
from panel.admin import ReadOnly
from panel.web.accounts import AccountForm
from panel.web.provider_forms import ProviderForm
from teams.encryption import EncryptedTextField
from teams.models import Team, User
from teams.services import encryption_keys
from tests.web.conftest import client_of
from tests.web.scene import LISTS, make_scene


def test_no_page_needs_inline_scripts_or_styles(signed_in: Client, team: Team) -> None:
    scene = make_scene(team)
    urls = [*(reverse(name) for name in LISTS), *scene.about().values(), reverse("integration-add")]
    for url in (url for url in urls if url != reverse("stack-events", args=[scene.stack.pk])):
        answer = signed_in.get(url)
        page = answer.content.decode()
        assert "script-src 'self'" in answer["Content-Security-Policy"]
        assert not re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|hx-on|javascript:", page), url


def test_every_id_of_a_page_is_its_only_one(signed_in: Client, team: Team) -> None:
    scene = make_scene(team)
    for url in [*(reverse(name) for name in LISTS), *scene.about().values()]:
        ids = re.findall(r'\sid="([^"]+)"', signed_in.get(url).content.decode())
        assert len(ids) == len(set(ids)), (url, [each for each in ids if ids.count(each) > 1])


def test_no_link_of_a_page_is_dead(signed_in: Client, team: Team) -> None:
    scene = make_scene(team)
    pages = [*(reverse(name) for name in LISTS), *scene.about().values()]
    links = {
        link.replace("&amp;", "&")
        for url in pages
        for link in re.findall(r'\shref="(/(?!static/)[^"#]*)"', signed_in.get(url).content.decode())
    }
    broken = {link: status for link in links if (status := signed_in.get(link).status_code) >= 400}
    assert len(links) > 30
    assert not broken


def test_pages_are_not_kept_by_shared_caches(signed_in: Client) -> None:
    assert "private" in signed_in.get(reverse("overview"))["Cache-Control"]


@override_settings(DEBUG=False)
def test_error_pages_stand_alone(signed_in: Client) -> None:
    missing = signed_in.get("/nothing/here/")
    assert (missing.status_code, "Nothing here" in missing.content.decode()) == (404, True)
    forged = Client(enforce_csrf_checks=True).post(reverse("sign-in"), {"username": "ada"})
    assert (forged.status_code, "The form is too old" in forged.content.decode()) == (403, True)


def test_healthz_tells_of_database_and_broker(db: None) -> None:
    answer = Client().get("/healthz")
    assert answer.json() == {"status": "ok", "database": "ok", "broker": "ok"}
    assert "no-store" in answer["Cache-Control"]


@override_settings(REDIS_URL="redis://127.0.0.1:1/0")
def test_healthz_fails_without_the_broker(db: None) -> None:
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()["broker"]) == (503, "unreachable")


@pytest.fixture
def root(db: None) -> Client:
    return client_of(User.objects.create_superuser("root"))


def test_every_model_is_in_the_admin(root: Client, team: Team) -> None:
    make_scene(team)
    ours = [model for app in ("deployers", "integrations", "teams") for model in apps.get_app_config(app).get_models()]
    for model in ours:
        if model.__name__ == "Membership":  # edited within its team
            continue
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert root.get(reverse(f"{name}_changelist")).status_code == 200, model
        row = model._default_manager.first()
        if row:
            assert root.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200, model


@pytest.mark.parametrize("secret", encryption_keys.fields(), ids=str)
def test_no_encrypted_field_is_in_the_admin(secret: EncryptedTextField, rf: RequestFactory) -> None:
    page = django_admin.site._registry[secret.model]
    request = rf.get("/")
    request.user = User(is_superuser=True)
    used = (page.get_list_display(request), page.get_search_fields(request), page.get_readonly_fields(request))
    assert secret.name in (page.get_exclude(request) or ())
    assert not [name for names in used for name in names if str(name).startswith(secret.name)]
    assert not secret.editable


@pytest.mark.parametrize("kind", PROVIDERS)
def test_secrets_of_forms_are_typed_unseen_and_not_sent_back(kind: str) -> None:
    client = PROVIDERS[kind]
    for way in client.sign_ins or (None,):
        entered = {field.name: "canary" for field in client.credential_fields}
        form = ProviderForm(entered, client=client, way=way, stored=entered)
        secrets = [field.name for field in form.credentials if field.secret]
        assert secrets
        for name in secrets:
            assert "canary" not in str(form[name])
            assert 'type="password"' in str(form[name]) or "data-unseen" in str(form[name])
    form = AccountForm({"secret_access_key": "canary"}, method="keys")
    assert "canary" not in str(form["secret_access_key"])


def test_the_admin_shows_no_secret_and_changes_nothing_of_the_services(root: Client, team: Team) -> None:
    scene = make_scene(team)
    scene.account.secret_access_key = "canary-secret-access-key"
    scene.account.save()
    secrets = (scene.integration.webhook_secret, scene.provider.credentials["token"], "canary-secret-access-key")
    for row in (scene.integration, scene.provider, scene.account):
        url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
        page = root.get(url).content.decode()
        assert not [secret for secret in secrets if secret in page]
        assert root.post(url, {"name": "changed"}).status_code == 403
    operational = {model for model, page in django_admin.site._registry.items() if isinstance(page, ReadOnly)}
    assert {model.__name__ for model in operational} == {
        "ApiToken",
        "AuditEntry",
        "Invitation",
        "PasswordReset",
        "AppSetup",
        "Provider",
        "Repository",
        "Integration",
        "KnownHead",
        "SSHKey",
        "Delivery",
        "AwsAccount",
        "Stack",
        "Operation",
        "StackEvent",
        "Artifact",
        "Deployment",
        "DeploymentStep",
    }


def test_the_admin_is_for_staff(signed_in: Client) -> None:
    assert signed_in.get("/admin/").status_code == 302

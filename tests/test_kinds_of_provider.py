"""What is registered is all there is to a kind of provider: pages, API, model and template take it from there."""

import re
from pathlib import Path

import pytest
import responses
from rest_framework.test import APIClient

from deployers import templates
from integrations.models import Provider
from integrations.providers.registry import KINDS, PROVIDERS
from lambdas.common.providers import PROVIDERS as IN_THE_STACK
from tests.api.conftest import api
from tests.factories import PUBLIC_KEY
from tests.integrations.providers.conftest import mock
from tests.integrations.providers.contract import REPOSITORY
from tests.integrations.providers.test_contract import FAKES

__all__ = ["api", "mock"]
ROOT = Path(__file__).parents[1]


def test_the_panel_and_the_functions_know_the_same_kinds() -> None:
    assert list(PROVIDERS) == list(IN_THE_STACK)
    assert all(client.kind == kind for kind, client in PROVIDERS.items())


def test_the_published_template_offers_them() -> None:
    parameter = templates.load("git_intgrtn_aws_s3_main.yaml")["Parameters"]["ProviderKind"]
    assert parameter["AllowedValues"] == list(PROVIDERS)


def test_the_model_takes_them_and_needs_no_migration_for_another() -> None:
    field = Provider._meta.get_field("kind")
    assert list(field.choices or ()) == KINDS
    assert callable(field.deconstruct()[3]["choices"])
    assert all(len(kind) <= (field.max_length or 0) for kind in PROVIDERS)


@pytest.mark.parametrize("kind", PROVIDERS)
def test_each_is_added_with_a_repository_over_the_api_and_called_by_its_name(
    kind: str, api: APIClient, mock: responses.RequestsMock
) -> None:
    config = FAKES[kind](mock).config
    body = {
        "kind": kind,
        "name": "git",
        "base_url": config.base_url,
        "credentials": dict(config.credentials),
        "ssh_known_hosts": f"git.example.com {PUBLIC_KEY}",
    }
    added = api.post("/api/v1/providers/", body)
    assert added.status_code == 201, added.content
    picked = api.post("/api/v1/repositories/", {"provider": added.json()["id"], "full_name": REPOSITORY})
    assert picked.status_code == 201, picked.content
    assert Provider.objects.get().get_kind_display() == PROVIDERS[kind].label
    assert [each["kind"] for each in api.get(f"/api/v1/providers/?kind={kind}").json()["results"]] == [kind]


SIGN_IN = {"panel/identity.py", "panel/identity_settings.py", "panel/web/identities.py"}
"""People sign in with some of the same services: a new provider of repositories need not offer that."""


@pytest.mark.parametrize("kind", PROVIDERS)
def test_the_howto_names_every_place_that_knows_a_kind(kind: str) -> None:
    """A module that names a kind is one that a new kind would have to touch."""
    howto = (ROOT / "docs" / "howto" / "add-a-provider.md").read_text()
    rooms = ("panel", "deployers", "integrations", "teams", "lambdas")
    found = {
        path.relative_to(ROOT).as_posix()
        for room in rooms
        for path in (ROOT / room).rglob("*.py")
        if "migrations" not in path.parts and re.search(rf"[\"']{kind}[\"']", path.read_text())
    } - SIGN_IN
    named = {"integrations/providers/<kind>.py", "lambdas/common/providers/__init__.py"}
    own = f"integrations/providers/{PROVIDERS[kind].__module__.rpartition('.')[2]}.py"
    assert found == {each.replace("integrations/providers/<kind>.py", own) for each in named}
    assert all(f"`{each}`" in howto for each in named)

"""After an upgrade, an address that only an untrusted identity provider vouched for is not proven."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from pytest_django.fixtures import Settings

from panel.identity_settings import Identities, IdentityProvider

BEFORE = [("teams", "0006_invitations"), ("account", "0009_emailaddress_unique_primary_email")]
AFTER = [("teams", "0007_addresses_of_identities")]
pytestmark = pytest.mark.django_db(transaction=True)


def provider(key: str, *, trusted: bool) -> IdentityProvider:
    return IdentityProvider(
        key, key, trusts_email=trusted, proves_second_factor=False, groups_claim="groups", groups={}
    )


@pytest.fixture
def apps(settings: Settings) -> Iterator[Any]:
    settings.IDENTITY = Identities(
        configured.IDENTITY.providers,
        {"gitlab": provider("gitlab", trusted=False), "oidc": provider("oidc", trusted=True)},
    )
    executor = MigrationExecutor(connection)
    executor.migrate(BEFORE)
    yield executor.loader.project_state([*BEFORE, ("socialaccount", "0006_alter_socialaccount_extra_data")]).apps
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def person(apps: Any, name: str, identity: str = "", email: str = "") -> Any:
    user = apps.get_model("teams", "User").objects.create(username=name)
    if identity:
        apps.get_model("socialaccount", "SocialAccount").objects.create(user=user, provider=identity, uid=name)
    address = email or f"{name}@example.com"
    apps.get_model("account", "EmailAddress").objects.create(user=user, email=address, verified=True, primary=True)
    return user


def proven() -> set[str]:
    from allauth.account.models import EmailAddress

    executor = MigrationExecutor(connection)
    executor.migrate(AFTER)
    return set(EmailAddress.objects.filter(verified=True).values_list("email", flat=True))


def test_only_what_a_trusted_provider_or_the_panel_itself_believes_stays_proven(apps: Any) -> None:
    person(apps, "local")
    person(apps, "trusted", "oidc")
    person(apps, "untrusted", "gitlab")
    person(apps, "gone", "github")
    invited = person(apps, "invited", "gitlab")
    changed = person(apps, "changed", "gitlab")
    other = person(apps, "other", "gitlab")
    team = apps.get_model("teams", "Team").objects.create(name="Acme", slug="acme")
    apps.get_model("teams", "Invitation").objects.create(
        team=team, role="viewer", email="Invited@example.com", expires_at=timezone.now(), accepted_by=invited
    )
    entry = apps.get_model("teams", "AuditEntry").objects
    for user, email in ((changed, "changed@example.com"), (other, "another@example.com")):
        changes = {"email": ["old@example.com", email]}
        entry.create(action="user.change_email", object_id=str(user.pk), changes=changes, actor_name="x", source="page")
    assert proven() == {f"{name}@example.com" for name in ("local", "trusted", "invited", "changed")}


def test_addresses_are_written_as_they_are_compared(apps: Any) -> None:
    person(apps, "ada", email="Ada@Example.com")
    person(apps, "bob", email="bob@example.com")
    person(apps, "eve", email="BOB@example.com")
    assert proven() == {"ada@example.com", "bob@example.com"}

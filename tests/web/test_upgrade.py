"""An upgrade from a database without second factors and invitations keeps every user, session, token and membership."""

import hashlib
from collections.abc import Iterator

import pytest
from django.contrib.auth import SESSION_KEY
from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client

from teams.models import User
from teams.services import tokens

BEFORE = [("teams", "0003_audit_log_is_append_only"), ("account", None), ("mfa", None), ("usersessions", None)]
PASSWORD, PLAIN = "correct horse battery", "sluice_" + "x" * 43
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def before() -> Iterator[None]:
    """The database as it was; as it is again afterwards."""
    cache.clear()
    MigrationExecutor(connection).migrate([*BEFORE, ("socialaccount", None)])
    yield
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def test_everybody_signs_in_as_before_and_every_token_works(before: None) -> None:
    apps = MigrationExecutor(connection).loader.project_state(BEFORE[:1]).apps
    old_user, old_team = apps.get_model("teams", "User"), apps.get_model("teams", "Team")
    password = User(username="ada")
    password.set_password(PASSWORD)
    ada = old_user.objects.create(username="ada", password=password.password, email="ada@example.com")
    team = old_team.objects.create(name="Acme", slug="acme")
    apps.get_model("teams", "Membership").objects.create(team=team, user=ada, role="operator")
    digest = hashlib.sha256(PLAIN.encode()).hexdigest()
    apps.get_model("teams", "ApiToken").objects.create(
        user=ada, team=team, name="ci", prefix="sluice_xxxxx", digest=digest
    )
    session = _old_session(ada.pk, password.password)

    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())

    kept = User.objects.get()
    assert (kept.username, kept.email, kept.is_active) == ("ada", "ada@example.com", True)
    assert [(each.team.slug, each.role) for each in kept.memberships.all()] == [("acme", "operator")]
    found = tokens.authenticate(PLAIN)
    assert found is not None
    assert (found.user, found.team.slug) == (kept, "acme")
    client = Client()
    assert client.post("/sign-in/", {"username": "ada", "password": PASSWORD})["Location"] == "/"
    assert client.get("/").status_code == 200
    client = Client()
    client.cookies["sessionid"] = session
    assert client.get("/").status_code == 200


def _old_session(pk: int, password: str) -> str:
    """As the panel wrote it before: no times, the backend of Django."""
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(pk)
    session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    session["_auth_user_hash"] = User(pk=pk, password=password).get_session_auth_hash()
    session.create()
    return str(session.session_key)

import gzip
import re
from pathlib import Path

import pytest
import yaml
from django.contrib.staticfiles import finders
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient

from teams.services import encryption_keys

LISTED = {
    "providers": {"check", "repositories", "host-keys", "host-keys/scan", "host-keys/confirm"},
    "repositories": {"follow"},
    "aws-accounts": {"access-template", "check", "choices", "trust-policy"},
    "integrations": {
        "provision",
        "rotate-ssh-key",
        "rotate-webhook-secret",
        "deliveries",
        "artifacts",
        "manual-steps",
        "catch-up",
        "check-obstacles",
        "dead-letters",
        "redrive",
        "deployments",
        "roll-back",
    },
    "audit-entries": set(),
    "ssh-keys": {"revoke", "repair", "check"},
    "stacks": {"events", "update-image"},
    "operations": {"retry", "approve", "cancel"},
    "deliveries": {"redeliver", "ask-provider"},
    "artifacts": {"download", "redeploy"},
    "deployments": {"steps", "approve", "reject", "retry", "stop"},
}
# Actions of a list as a whole.
OF_LISTS = {"deployments": {"export/"}, "ssh-keys": {"rotate/"}}


@pytest.fixture(scope="module")
def schema():
    GENERATOR_STATS.reset()
    response = APIClient().get("/api/v1/schema/")
    assert response.status_code == 200
    return yaml.safe_load(response.content)


def test_schema_is_valid_openapi_and_made_without_a_warning(schema):
    validate_schema(schema)
    assert not GENERATOR_STATS


def test_schema_has_every_noun_and_action(schema):
    for noun, actions in LISTED.items():
        paths = {
            path.removeprefix(f"/api/v1/{noun}/") for path in schema["paths"] if path.startswith(f"/api/v1/{noun}/")
        }
        assert paths == {"", "{id}/"} | {f"{{id}}/{action}/" for action in actions} | OF_LISTS.get(noun, set())


def test_every_operation_needs_a_token_and_may_answer_a_problem(schema):
    for operations in schema["paths"].values():
        for operation in operations.values():
            assert operation["security"] == [{"token": []}]
            assert "application/problem+json" in operation["responses"]["default"]["content"]
            assert operation["summary"]


SECRET = re.compile(r"secret|password|credential|private_key|digest$|token", re.IGNORECASE)
NO_SECRETS = {
    "content_digest": "of an artifact's content",
    "token": "which token: its name, its prefix, when it ends",
}


def properties(schema, shape) -> set[str]:
    """The names of all properties of a shape and of what lies in it, that answers may hold."""
    found: set[str] = set()
    if isinstance(shape, list):
        return found.union(*(properties(schema, each) for each in shape)) if shape else found
    if not isinstance(shape, dict):
        return found
    if "$ref" in shape:
        return properties(schema, schema["components"]["schemas"][shape["$ref"].rpartition("/")[2]])
    for name, each in shape.items():
        if name == "properties":
            found |= {key for key, value in each.items() if not value.get("writeOnly")}
            found = found.union(*(properties(schema, value) for value in each.values() if not value.get("writeOnly")))
        else:
            found |= properties(schema, each)
    return found


def test_secrets_are_in_no_answer(schema):
    answers = [operation["responses"] for path in schema["paths"].values() for operation in path.values()]
    shown = properties(schema, answers)
    assert {"fingerprint", "webhook_state", "role_arn"} <= shown
    assert {name for name in shown if SECRET.search(name)} == set(NO_SECRETS)
    assert not shown & {field.name for field in encryption_keys.fields()}


def test_secrets_of_requests_are_declared_as_only_written(schema):
    declared = {
        (name, bool(shape.get("writeOnly")))
        for each in schema["components"]["schemas"].values()
        for name, shape in each.get("properties", {}).items()
        if SECRET.search(name) and name not in NO_SECRETS
    }
    assert declared == {("credentials", True), ("secret_access_key", True)}


def test_docs_page_loads_nothing_from_elsewhere_and_runs_no_inline_code(settings):
    settings.STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    response = APIClient().get("/api/v1/docs/")
    page = response.content.decode()
    assert response["Content-Security-Policy"].split("script-src ")[1].split(";")[0] == "'self'"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) >= 6
    for source in sources:
        assert source.startswith(("/", "#"))


def test_docs_page_shows_every_operation_and_weighs_little(settings):
    settings.STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    page = APIClient().get("/api/v1/docs/").content.decode()
    schema = APIClient().get("/api/v1/schema/", headers={"Accept": "application/json"}).json()
    for path, operations in schema["paths"].items():
        assert f"<code>{path}</code>" in page
        for operation in operations.values():
            assert f'id="{operation["operationId"]}"' in page
    for target in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{target}"' in page
    assert "If-Match" in page
    files = {finders.find(each) for each in re.findall(r'(?:src|href)="/static/([^"]+)"', page)}
    weight = len(gzip.compress(page.encode())) + sum(len(gzip.compress(Path(each).read_bytes())) for each in files)
    assert weight <= 150_000, weight

"""Whatever a client sends, the API answers with a status below 500, and with a problem from 400."""

import json
import os
from urllib.parse import quote

import pytest
import responses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws
from rest_framework.test import APIClient

from tests.api.github import TOKEN, answer_as_github
from tests.api.test_scoping import ACTIONS, NOUNS
from tests.factories import make_repository

FIELDS = {
    "providers": [
        "kind",
        "name",
        "base_url",
        "credentials",
        "ca_bundle",
        "ssh_host",
        "ssh_user",
        "ssh_port",
        "ssh_known_hosts",
    ],
    "repositories": ["provider", "full_name"],
    "aws-accounts": [
        "name",
        "method",
        "account_id",
        "role_arn",
        "access_key_id",
        "secret_access_key",
        "default_region",
    ],
    "integrations": [
        "name",
        "repository",
        "method",
        "refs",
        "paths",
        "ignored_paths",
        "skip_ci",
        "transport",
        "submodules",
        "lfs",
        "commit_statuses",
        "restrict_source_ips",
        "deploy_ref",
        "aws_account",
        "region",
        "application",
        "environment",
        "deployers",
        "parameters",
    ],
}
PLAUSIBLE = [
    "",
    " ",
    "\u202e",
    "é" * 300,
    "main",
    "**",
    "tags:[",
    "git_pull",
    "github",
    "github_enterprise",
    "gitlab",
    "bitbucket_cloud",
    "bitbucket_server",
    "gitea",
    "https://127.0.0.1",
    "https://[::1]:99999",
    "http://[",
    "https://xn--a.example",
    "-----BEGIN CERTIFICATE-----",
    "a/b",
    "../..",
    "keys",
    "role",
    "ambient",
    "arn:aws:iam::123456789012:role/x",
    "123456789012",
    "eu-central-1",
    2**63,
    -1,
    1e308,
    {"token": TOKEN},
    {"token": "\u2028"},
    {"email": "ada@example.com", "token": TOKEN},
    {"oauth_key": "key", "oauth_secret": "secret"},
    {"token": TOKEN, "oauth_key": "key"},
    {"codedeploy": {"A": "b"}},
    [""],
    ["codedeploy", "codedeploy"],
]
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(text, children, max_size=3),
    max_leaves=5,
)
value = st.sampled_from(PLAUSIBLE) | junk
relaxed = settings(
    # For a search of its own: EXAMPLES=2000 pytest tests/api/test_fuzz.py. Without, the same ones each time, so that
    # a failure comes from the change at hand.
    max_examples=int(os.environ.get("EXAMPLES", "60")),
    derandomize="EXAMPLES" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def outside():
    with mock_aws(), responses.RequestsMock(assert_all_requests_are_fired=False) as http:
        answer_as_github(http, "a/b")
        yield


def assert_answered(response) -> None:
    assert response.status_code < 500 or response.status_code in {502, 503}, response.content
    if response.status_code >= 400:
        assert response["Content-Type"] == "application/problem+json"
        body = json.loads(response.content)
        assert body["status"] == response.status_code
        assert body["detail"]


@pytest.mark.parametrize("noun", FIELDS)
def test_any_body_to_create(api: APIClient, noun):
    valid = {"repository": str(make_repository().pk), "provider": str(make_repository().provider.pk)}

    @relaxed
    @given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS[noun], value)) | value)
    def create(body) -> None:
        if isinstance(body, dict):
            body = {**{name: valid[name] for name in FIELDS[noun] if name in valid}, **body}
        assert_answered(api.post(f"/api/v1/{noun}/", json.dumps(body), content_type="application/json"))

    create()


@pytest.mark.parametrize("noun", sorted(set(FIELDS) - {"repositories"}))
def test_any_change(api: APIClient, noun):
    row = NOUNS[noun]()

    @relaxed
    @given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS[noun], value)))
    def change(body) -> None:
        url = f"/api/v1/{noun}/{row.pk}/"
        assert_answered(api.patch(url, json.dumps(body), content_type="application/json"))

    change()


@pytest.mark.parametrize("noun", NOUNS)
def test_any_query(api: APIClient, noun):
    NOUNS[noun]()
    names = ["page", "page_size", "integration", "status", "kind", "ref", "name", "method", "format", "q", "full_name"]

    @relaxed
    @given(st.dictionaries(st.sampled_from(names) | text, text | st.sampled_from(["1", "stored", "\0"]), max_size=3))
    def query(parameters) -> None:
        string = "&".join(f"{quote(name)}={quote(found)}" for name, found in parameters.items())
        assert_answered(api.get(f"/api/v1/{noun}/?{string}"))

    query()


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"x": 1}', b"{"])
@pytest.mark.parametrize(("method", "noun", "path"), ACTIONS)
def test_action_with_any_body(api: APIClient, method, noun, path, body):
    row = NOUNS[noun]()
    send = getattr(api, method)
    response = (
        send(f"/api/v1/{noun}/{row.pk}/{path}")
        if method == "get"
        else send(f"/api/v1/{noun}/{row.pk}/{path}", body, content_type="application/json")
    )
    assert_answered(response)


@relaxed
@given(raw=st.binary(max_size=200), kind=st.sampled_from(["application/json", "text/plain", "", "a;b=\xff"]))
def test_any_bytes(api: APIClient, raw, kind):
    assert_answered(api.generic("POST", "/api/v1/providers/", raw, content_type=kind))

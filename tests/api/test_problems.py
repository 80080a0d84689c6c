import json

import pytest
from rest_framework.test import APIClient

from panel.api.parsing import MAX_BODY
from tests.factories import make_provider

PROBLEM = "application/problem+json"


def assert_problem(response, status: int, code: str) -> dict:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == PROBLEM
    body = json.loads(response.content)
    assert (body["status"], body["code"], body["type"]) == (status, code, "about:blank")
    assert body["title"]
    assert body["detail"]
    return body


@pytest.mark.parametrize("header", ["", "Bearer sluice_nonsense", "Basic YTpi", "Bearer", "Bearer \xff"])
def test_call_without_a_live_token_is_a_401_that_names_the_scheme(db, header):
    response = APIClient().get("/api/v1/providers/", headers={"Authorization": header})
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="Sluice"'
    assert response["Content-Type"] == PROBLEM


@pytest.mark.parametrize(
    "path",
    ["nothing/", "providers/not-a-uuid/", "providers/00000000-0000-4000-8000-000000000000/", "providers", "%00/"],
)
def test_unknown_address_or_id_is_a_404(api, path):
    assert_problem(api.get(f"/api/v1/{path}"), 404, "not_found")


def test_address_without_its_slash_says_so(api):
    assert "slash" in assert_problem(api.get("/api/v1/providers"), 404, "not_found")["remedy"]


def test_method_that_the_noun_has_not_is_a_405_with_allow(api):
    response = api.put("/api/v1/providers/", {})
    assert_problem(response, 405, "method_not_allowed")
    assert "POST" in response["Allow"]


def test_form_body_is_a_415(api):
    response = api.post("/api/v1/providers/", "a=b", content_type="application/x-www-form-urlencoded")
    assert_problem(response, 415, "unsupported_media_type")


def test_answer_in_another_format_is_a_406(api):
    assert_problem(api.get("/api/v1/providers/", headers={"Accept": "text/html"}), 406, "not_acceptable")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"name": NaN}',
        b'{"name": "a\\u0000b"}',
        b'{"a\\u0000b": 1}',
        b'{"name": "\\ud800"}',
        b'{"parameters": {"x": ["\\udfff"]}}',
        b"[" * 100_000,
        b'{"n": ' + b"9" * 5000 + b"}",
    ],
)
def test_body_that_is_no_json_to_be_stored_is_a_400(api, body):
    response = api.post("/api/v1/providers/", body, content_type="application/json")
    assert_problem(response, 400, "parse_error")


def test_body_over_the_limit_is_a_413(api):
    body = json.dumps({"ca_bundle": "x" * MAX_BODY})
    assert_problem(api.post("/api/v1/providers/", body, content_type="application/json"), 413, "body_too_large")


@pytest.mark.parametrize("body", [[], "text", 1, None, True])
def test_body_that_is_no_object_is_a_400(api, body):
    response = api.post("/api/v1/providers/", json.dumps(body), content_type="application/json")
    assert_problem(response, 400, "invalid")


def test_every_invalid_field_is_listed_with_a_pointer(api):
    body = {"kind": "cvs", "name": "", "credentials": {"a/b": []}, "base_url": ""}
    problem = assert_problem(api.post("/api/v1/providers/", body), 400, "invalid")
    assert {error["pointer"] for error in problem["errors"]} == {"#/kind", "#/name", "#/credentials/a~1b"}
    assert problem["detail"].startswith(problem["errors"][0]["field"])


def test_unknown_and_read_only_fields_are_refused_by_name(api):
    body = {"kind": "github", "name": "Hub", "credentials": {"token": "t"}, "nmae": "x", "login": "root"}
    problem = assert_problem(api.post("/api/v1/providers/", body), 400, "invalid")
    assert [error["field"] for error in problem["errors"]] == ["login", "nmae"]
    assert "Unknown field" in problem["detail"]


@pytest.mark.parametrize(
    "query", ["page=0", "page=x", "page_size=201", f"page={10**30}", "kind=cvs", "kidn=github", "kind=%00", "page="]
)
def test_query_that_is_unknown_or_not_valid_is_named(api, query):
    problem = assert_problem(api.get(f"/api/v1/providers/?{query}"), 400, "invalid")
    assert [error["parameter"] for error in problem["errors"]] == [query.partition("=")[0]]


def test_error_of_a_service_keeps_code_and_remedy(viewer_api, team):
    provider = make_provider(team=team)
    problem = assert_problem(viewer_api.delete(f"/api/v1/providers/{provider.pk}/"), 403, "forbidden")
    assert "admin" in problem["remedy"]


def test_token_that_calls_too_often_waits_for_the_next_minute(api, monkeypatch):
    monkeypatch.setattr("panel.api.throttling.PER_MINUTE", 2)
    # One minute, whatever the clock says.
    monkeypatch.setattr("panel.api.throttling.WINDOW", 10**9)
    assert [api.get("/api/v1/me/").status_code for _ in range(3)] == [200, 200, 429]
    response = api.get("/api/v1/me/")
    assert "Try again" in assert_problem(response, 429, "throttled")["remedy"]
    assert int(response["Retry-After"]) > 0


def test_api_answers_without_valkey(api, settings):
    settings.CACHES = {"default": {"BACKEND": "panel.valkey.cache.ValkeyCache", "LOCATION": "redis://127.0.0.1:1/0"}}
    assert api.get("/api/v1/me/").status_code == 200

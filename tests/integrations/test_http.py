"""What the client makes of answers: errors in words, retries, pages. The guard is in test_http_guard.py."""

import time

import pytest
import requests
import responses

from integrations.errors import (
    CredentialsRejected,
    HostNotAllowed,
    NotFoundAtProvider,
    PermissionMissing,
    ProviderRateLimited,
    ProviderRefused,
    ProviderUnreachable,
    UnexpectedAnswer,
)
from integrations.http import Answer, HttpClient

BASE = "https://git.example.com/api"


@pytest.fixture
def http() -> HttpClient:
    return HttpClient(BASE, headers={"Authorization": "Bearer s3cr3t-token"})


@pytest.mark.parametrize(
    ("status", "error", "retryable"),
    [
        (400, ProviderRefused, False),
        (401, CredentialsRejected, False),
        (403, PermissionMissing, False),
        (404, NotFoundAtProvider, False),
        (410, NotFoundAtProvider, False),
        (422, ProviderRefused, False),
        (429, ProviderRateLimited, True),
        (500, ProviderUnreachable, True),
    ],
)
@responses.activate
def test_a_status_becomes_an_error_that_quotes_the_provider(
    http: HttpClient, status: int, error: type, retryable: bool
):
    responses.post(f"{BASE}/things", status=status, json={"message": "Because\n of this"})
    with pytest.raises(error, match=r"git\.example\.com .*: Because of this\.") as caught:
        http.post("/things", json={})
    assert caught.value.retryable is retryable


@responses.activate
def test_impatience_is_for_all_calls_together_and_tries_none_again():
    http = HttpClient(BASE, headers={}, patience=0.2)
    responses.get(f"{BASE}/things", status=503)
    with pytest.raises(ProviderUnreachable, match="reported a server error"):
        http.get("/things")
    assert len(responses.calls) == 1

    def slowly(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        time.sleep(0.2)
        return 200, {}, "{}"

    responses.add_callback("GET", f"{BASE}/slow", slowly)
    with pytest.raises(ProviderUnreachable, match="took too long"):
        http.get("/slow")
    with pytest.raises(ProviderUnreachable, match="did not answer in time"):
        http.get("/slow")
    assert len(responses.calls) == 2


@responses.activate
def test_all_the_reasons_of_a_validation_are_quoted(http: HttpClient):
    body = {"message": "Validation Failed", "errors": [{"message": "no a"}, "no b", {"code": "missing"}]}
    responses.post(f"{BASE}/things", status=422, json=body)
    with pytest.raises(ProviderRefused, match="Validation Failed; no a; no b"):
        http.post("/things")


@pytest.mark.parametrize(
    ("body", "quoted"),
    [
        ({"type": "error", "error": {"message": "Bad request", "detail": {"key": ["x"]}}}, "Bad request"),
        ({"error": "invalid_client", "error_description": "No such client"}, "No such client"),
        ({"error": "insufficient_scope"}, "insufficient_scope"),
        ({"error": {"code": 7}}, r"\(400\)"),
        ({"error": ["x"]}, r"\(400\)"),
    ],
)
@responses.activate
def test_errors_are_quoted_in_the_forms_they_come_in(http: HttpClient, body: dict, quoted: str):
    responses.get(f"{BASE}/things", status=400, json=body)
    with pytest.raises(ProviderRefused, match=quoted):
        http.get("/things")


@responses.activate
def test_a_form_is_sent_as_one(http: HttpClient):
    sent = [
        responses.matchers.urlencoded_params_matcher({"grant_type": "client_credentials", "scope": "a b&c"}),
        responses.matchers.header_matcher({"Content-Type": "application/x-www-form-urlencoded"}),
    ]
    responses.post(f"{BASE}/token", json={"access_token": "t"}, match=sent)
    assert http.post_form("/token", {"grant_type": "client_credentials", "scope": "a b&c"}).json() == {
        "access_token": "t"
    }


@responses.activate
def test_a_form_does_not_follow_to_another_host(http: HttpClient):
    responses.post(f"{BASE}/token", status=307, headers={"Location": "https://evil.example/token"})
    with pytest.raises(ProviderRefused, match=r"evil\.example"):
        http.post_form("/token", {"grant_type": "client_credentials"})


@responses.activate
def test_secrets_that_are_in_no_header_are_taken_out_too():
    http = HttpClient(BASE, headers={"Authorization": "Basic YTpi"}, secrets=["", "the-password"])
    responses.get(f"{BASE}/user", status=400, json={"message": "YTpi is a:the-password"})
    with pytest.raises(ProviderRefused, match=r"\*\*\* is a:\*\*\*"):
        http.get("/user")


@responses.activate
def test_our_credentials_are_taken_out_of_what_the_provider_says(http: HttpClient):
    responses.get(f"{BASE}/user", status=401, json={"message": "bad token s3cr3t-token"})
    with pytest.raises(CredentialsRejected, match=r"bad token \*\*\*") as caught:
        http.get("/user")
    assert "s3cr3t" not in repr(caught.value)


@responses.activate
def test_what_the_provider_says_is_shortened(http: HttpClient):
    responses.get(f"{BASE}/user", status=400, json={"message": "x" * 5000})
    with pytest.raises(ProviderRefused) as caught:
        http.get("/user")
    assert len(str(caught.value)) < 400


@responses.activate
def test_what_the_provider_says_can_be_stored(http: HttpClient):
    responses.get(f"{BASE}/user", status=400, json={"message": "a\x00b\ud800c\u202ed"})
    with pytest.raises(ProviderRefused, match="abcd"):
        http.get("/user")


@pytest.mark.parametrize("body", ["<html>Sign in</html>", "", "[" * 100_000])
@responses.activate
def test_an_answer_that_is_no_json_points_to_the_address(http: HttpClient, body: str):
    responses.get(f"{BASE}/user", body=body)
    with pytest.raises(UnexpectedAnswer, match="not JSON") as caught:
        http.get("/user").json()
    assert caught.value.field == "base_url"


@responses.activate
def test_a_read_is_tried_again_when_a_gateway_fails(http: HttpClient):
    for status in (502, 503):
        responses.get(f"{BASE}/user", status=status)
    responses.get(f"{BASE}/user", json={})
    assert http.get("/user").status == 200


@responses.activate
def test_and_given_up_after_three_times(http: HttpClient):
    responses.get(f"{BASE}/user", status=503, headers={"Retry-After": "30"})
    with pytest.raises(ProviderUnreachable) as caught:
        http.get("/user")
    assert len(responses.calls) == 3
    assert caught.value.retry_after == 30


@responses.activate
def test_a_write_is_never_repeated(http: HttpClient):
    responses.post(f"{BASE}/things", status=503)
    with pytest.raises(ProviderUnreachable):
        http.post("/things", json={})
    assert len(responses.calls) == 1


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (requests.exceptions.ReadTimeout(), "did not answer in time"),
        (requests.exceptions.ConnectionError(), "cannot be reached"),
        (requests.exceptions.ChunkedEncodingError(), "cannot be reached"),
    ],
)
@responses.activate
def test_a_broken_connection_is_told_without_its_internals(http: HttpClient, failure: Exception, words: str):
    responses.post(f"{BASE}/things", body=failure)
    with pytest.raises(ProviderUnreachable, match=words) as caught:
        http.post("/things")
    assert "object at 0x" not in str(caught.value)


@responses.activate
def test_pages_are_followed_by_their_links_up_to_a_limit(http: HttpClient):
    for page in range(1, 5):
        link = {"Link": f'<{BASE}/things?page={page + 1}>; rel="next"'} if page < 4 else {}
        responses.get(
            f"{BASE}/things",
            json=[page],
            headers=link,
            match=[responses.matchers.query_param_matcher({"page": str(page)})],
        )
    assert list(http.pages("/things", params={"page": 1})) == [[1], [2], [3], [4]]
    assert list(http.pages("/things", params={"page": 1}, limit=2)) == [[1], [2]]


@responses.activate
def test_a_next_page_on_another_host_is_not_followed(http: HttpClient):
    responses.get(f"{BASE}/things", json=[1], headers={"Link": '<https://evil.example/things>; rel="next"'})
    with pytest.raises(ProviderRefused, match=r"evil\.example"):
        list(http.pages("/things"))
    assert len(responses.calls) == 1


@responses.activate
def test_explain_goes_before_the_status():
    def explain(answer: Answer):
        return ProviderRateLimited("slow down", retry_after=7) if answer.message == "busy" else None

    http = HttpClient(BASE, headers={}, explain=explain)
    responses.post(f"{BASE}/things", status=403, json={"message": "busy"})
    responses.post(f"{BASE}/things", status=403, json={"message": "no"})
    with pytest.raises(ProviderRateLimited):
        http.post("/things")
    with pytest.raises(PermissionMissing):
        http.post("/things")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://git.example.com",
        "git.example.com",
        "https://",
        "https:///path",
        "https://user:pass@git.example.com",
        "https://git.example.com/?a=b",
        "https://git.example.com/#x",
        "https://git.example.com:99999",
        "https://git.exa mple.com",
        "https://[::1",
        "file:///etc/passwd",
    ],
)
def test_an_address_that_is_not_plain_https_is_refused(url: str):
    with pytest.raises(HostNotAllowed) as caught:
        HttpClient(url, headers={})
    assert caught.value.field == "base_url"

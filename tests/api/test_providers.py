import pytest
import responses

from integrations.models import Provider
from integrations.providers.public_keys import fingerprint
from teams.models import AuditEntry
from tests.api.github import API, TOKEN, answer_as_github
from tests.factories import PUBLIC_KEY, make_provider, make_repository

OLD_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
NEW_KEY = PUBLIC_KEY.removesuffix(" sluice")
BODY = {"kind": "github", "name": "Hub", "credentials": {"token": TOKEN}}


@pytest.fixture
def http():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def test_provider_is_added_once_its_credentials_have_worked(api, http):
    answer_as_github(http)
    response = api.post("/api/v1/providers/", BODY)
    assert response.status_code == 201, response.content
    provider = Provider.objects.get()
    assert response.json()["id"] == str(provider.pk)
    assert (response.json()["login"], response.json()["missing_scopes"]) == ("ada", [])
    assert provider.credentials == {"token": TOKEN}
    assert AuditEntry.objects.get(action="provider.create").action == "provider.create"


def test_rejected_credentials_are_a_problem_and_nothing_is_stored(api, http):
    http.get(f"{API}/user", status=401, json={"message": "Bad credentials"})
    response = api.post("/api/v1/providers/", BODY)
    assert response.status_code >= 400
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "credentials_rejected"
    assert TOKEN not in response.content.decode()
    assert not Provider.objects.exists()


def test_missing_credential_is_pointed_at_where_it_lies_in_the_body(api):
    response = api.post("/api/v1/providers/", {**BODY, "credentials": {}})
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "#/credentials/token"


def test_kind_without_a_client_is_refused(api):
    response = api.post("/api/v1/providers/", {**BODY, "kind": "subversion"})
    assert response.json()["errors"][0]["pointer"] == "#/kind"


def test_credentials_are_never_shown(api, http):
    answer_as_github(http)
    created = api.post("/api/v1/providers/", BODY)
    shown = [created, api.get("/api/v1/providers/"), api.get(f"/api/v1/providers/{created.json()['id']}/")]
    shown.append(api.post(f"/api/v1/providers/{created.json()['id']}/check/"))
    assert [response.status_code for response in shown] == [201, 200, 200, 200]
    assert all(TOKEN not in response.content.decode() for response in shown)
    assert all("credentials" not in response.json() for response in shown)


def test_change_without_credentials_keeps_them(api, http, team):
    answer_as_github(http)
    provider = make_provider(team=team, credentials={"token": TOKEN})
    response = api.patch(f"/api/v1/providers/{provider.pk}/", {"name": "Renamed", "credentials": {"token": ""}})
    assert response.status_code == 200, response.content
    provider.refresh_from_db()
    assert (provider.name, provider.credentials) == ("Renamed", {"token": TOKEN})


def test_kind_cannot_change(api, team):
    provider = make_provider(team=team)
    response = api.patch(f"/api/v1/providers/{provider.pk}/", {"kind": "github_enterprise"})
    assert response.json()["errors"][0]["pointer"] == "#/kind"


def test_repositories_are_read_from_the_provider(api, http, team):
    answer_as_github(http, "acme/shop", "acme/blog")
    provider = make_provider(team=team)
    found = api.get(f"/api/v1/providers/{provider.pk}/repositories/?q=SHOP").json()
    assert [repository["full_name"] for repository in found["results"]] == ["acme/shop"]
    assert found["next_page"] is None


def test_rate_limit_of_the_provider_tells_when_to_come_back(api, http, team):
    http.get(
        f"{API}/user/repos",
        status=403,
        headers={"Retry-After": "77", "X-RateLimit-Remaining": "0"},
        json={"message": "You have exceeded a secondary rate limit."},
    )
    response = api.get(f"/api/v1/providers/{make_provider(team=team).pk}/repositories/")
    assert (response.status_code, response.json()["code"]) == (503, "provider_rate_limited")
    assert response["Retry-After"] == "77"


def test_provider_in_use_is_not_deleted(api, team):
    provider = make_repository(team=team).provider
    response = api.delete(f"/api/v1/providers/{provider.pk}/")
    assert (response.status_code, response.json()["code"]) == (409, "refused")
    unused = make_provider(team=team)
    assert api.delete(f"/api/v1/providers/{unused.pk}/").status_code == 204
    assert list(Provider.objects.all()) == [provider]


def test_repository_is_added_with_what_the_provider_says_of_it(api, http, team):
    answer_as_github(http, "acme/shop")
    provider = make_provider(team=team)
    response = api.post("/api/v1/repositories/", {"provider": str(provider.pk), "full_name": "acme/shop"})
    assert response.status_code == 201, response.content
    assert response.json()["default_branch"] == "main"
    assert response.json()["provider"] == str(provider.pk)
    assert api.delete(f"/api/v1/repositories/{response.json()['id']}/").status_code == 204


def test_repository_that_the_provider_does_not_have_is_named(api, http, team):
    http.get(f"{API}/repos/acme/none", status=404, json={"message": "Not Found"})
    body = {"provider": str(make_provider(team=team).pk), "full_name": "acme/none"}
    response = api.post("/api/v1/repositories/", body)
    assert response.json()["errors"][0]["pointer"] == "#/full_name"


def test_host_keys_are_scanned_shown_and_confirmed(api, viewer_api, http, team):
    http.get(f"{API}/meta", json={"ssh_keys": [NEW_KEY]})
    provider = make_provider(team=team, ssh_known_hosts=f"github.com {OLD_KEY}")
    url = f"/api/v1/providers/{provider.pk}/host-keys/"
    shown = api.get(url).json()
    pinned = {"type": "ssh-ed25519", "fingerprint": fingerprint(OLD_KEY), "public_key": OLD_KEY}
    assert shown == {"pinned": [pinned], "scanned": [], "scanned_at": None, "problem": ""}
    found = api.post(f"{url}scan/").json()
    assert [key["fingerprint"] for key in found["scanned"]] == [fingerprint(NEW_KEY)]
    assert "changed" in found["problem"]
    assert found["scanned_at"]
    assert api.get(f"/api/v1/providers/{provider.pk}/").json()["ssh_problem"] == found["problem"]
    body = {"fingerprints": [fingerprint(NEW_KEY)]}
    assert viewer_api.post(f"{url}confirm/", body).status_code == 403
    confirmed = api.post(f"{url}confirm/", body).json()
    assert [key["public_key"] for key in confirmed["pinned"]] == [NEW_KEY]
    assert (confirmed["scanned"], confirmed["problem"]) == ([], "")


def test_confirming_keys_that_do_not_wait_is_a_conflict(api, team):
    provider = make_provider(team=team, ssh_scanned_keys=f"github.com {NEW_KEY}")
    url = f"/api/v1/providers/{provider.pk}/host-keys/confirm/"
    refused = api.post(url, {"fingerprints": [fingerprint(OLD_KEY)]})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (409, "#/fingerprints")
    assert api.post(url, {"fingerprints": []}).status_code == 400
    provider.refresh_from_db()
    assert provider.ssh_known_hosts == ""

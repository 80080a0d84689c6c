"""The GitHub-compatible API."""

import io
import zipfile
from pathlib import Path

import pytest

from sandbox.git_host import GitHost
from tests.sandbox.conftest import Api, Clone, make_key

pytestmark = pytest.mark.sandbox


def test_a_token_that_is_not_known_is_bad_credentials(host: GitHost) -> None:
    answer = Api(host, "ghp_wrong").call("GET", "/user")
    assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")


def test_a_classic_token_shows_its_user_and_scopes(api: Api) -> None:
    answer = api.call("GET", "/user")
    assert (answer.json()["login"], answer.headers["X-OAuth-Scopes"]) == ("ada", "repo")


def test_a_private_repository_does_not_exist_for_strangers(host: GitHost, full_name: str) -> None:
    stranger = Api(host, host.create_token("mallory"))
    assert stranger.call("GET", f"/repos/{full_name}").status_code == 404
    assert full_name not in [one["full_name"] for one in stranger.call("GET", "/user/repos").json()]
    assert stranger.call("GET", "/search/repositories", params={"q": full_name}).json()["total_count"] == 0


def test_a_fine_grained_token_without_the_permission_is_refused_and_told_which(host: GitHost, full_name: str) -> None:
    limited = Api(host, host.create_token("ada", permissions={"metadata": "read", "contents": "read"}))
    assert limited.call("GET", f"/repos/{full_name}").status_code == 200
    refused = limited.call("POST", f"/repos/{full_name}/hooks", json={"config": {"url": "http://127.0.0.1:1"}})
    assert refused.status_code == 403
    assert refused.headers["X-Accepted-GitHub-Permissions"] == "webhooks=write"
    key = limited.call("POST", f"/repos/{full_name}/keys", json={"title": "t", "key": "ssh-ed25519 AAAA"})
    assert key.status_code == 403
    assert host.hooks(full_name) == []


def test_a_classic_token_without_the_scope_finds_nothing(host: GitHost, full_name: str) -> None:
    unscoped = Api(host, host.create_token("ada", scopes=["read:org"]))
    assert unscoped.call("POST", f"/repos/{full_name}/hooks", json={}).status_code == 404


def test_a_hook_never_shows_its_secret(api: Api, full_name: str) -> None:
    hook = api.add_hook(full_name, "http://127.0.0.1:1/x", secret="s3cret")
    assert hook["config"]["secret"] == "********"
    assert "s3cret" not in api.call("GET", f"/repos/{full_name}/hooks").text


def test_the_same_hook_twice_is_refused(api: Api, full_name: str) -> None:
    hook = api.add_hook(full_name, "http://127.0.0.1:1/x")
    again = api.call("POST", f"/repos/{full_name}/hooks", json={"config": hook["config"], "events": ["push"]})
    assert again.status_code == 422
    assert again.json()["errors"][0]["message"] == "Hook already exists on this repository"


def test_a_repository_has_no_more_than_twenty_hooks(api: Api, full_name: str) -> None:
    for number in range(20):
        api.add_hook(full_name, f"http://127.0.0.1:1/{number}")
    body = {"config": {"url": "http://127.0.0.1:1/one-more"}}
    assert api.call("POST", f"/repos/{full_name}/hooks", json=body).status_code == 422


def test_a_changed_config_without_a_secret_takes_the_secret_away(api: Api, host: GitHost, full_name: str) -> None:
    hook = api.add_hook(full_name, "http://127.0.0.1:1/x", secret="s3cret")
    api.call("PATCH", f"/repos/{full_name}/hooks/{hook['id']}/config", json={"url": "http://127.0.0.1:1/y"})
    assert host.hooks(full_name)[0].secret == "s3cret"
    api.call("PATCH", f"/repos/{full_name}/hooks/{hook['id']}", json={"config": {"url": "http://127.0.0.1:1/z"}})
    assert host.hooks(full_name)[0].secret == ""


def test_a_deleted_hook_is_gone(api: Api, full_name: str) -> None:
    hook = api.add_hook(full_name, "http://127.0.0.1:1/x")
    path = f"/repos/{full_name}/hooks/{hook['id']}"
    assert api.call("DELETE", path).status_code == 204
    assert api.call("DELETE", path).status_code == 404


def test_a_deploy_key_is_used_once_in_the_whole_host(api: Api, host: GitHost, full_name: str, tmp_path: Path) -> None:
    body = {"title": "Sluice", "key": make_key(tmp_path / "key"), "read_only": True}
    assert api.call("POST", f"/repos/{full_name}/keys", json=body).json()["read_only"] is True
    other = host.create_repository("acme/other", admins=["ada"]).full_name
    refused = api.call("POST", f"/repos/{other}/keys", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["message"]) == (422, "key is already in use")


@pytest.mark.parametrize("key", ["", "ssh-ed25519", "ssh-ed25519 !!!!", "no key at all", "ssh-ed25519 AAAA"])
def test_what_is_no_key_is_refused(api: Api, full_name: str, key: str) -> None:
    refused = api.call("POST", f"/repos/{full_name}/keys", json={"title": "t", "key": key})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["message"].startswith("key is invalid")


def test_an_organization_may_forbid_deploy_keys(api: Api, host: GitHost, tmp_path: Path) -> None:
    closed = host.create_repository("acme/closed", admins=["ada"], deploy_keys_enabled=False).full_name
    body = {"title": "t", "key": make_key(tmp_path / "key")}
    refused = api.call("POST", f"/repos/{closed}/keys", json=body)
    assert (refused.status_code, refused.json()["message"]) == (422, "Deploy keys are disabled for this repository")


def test_lists_come_in_pages_with_links(api: Api, host: GitHost, full_name: str, clone: Clone) -> None:
    clone.commit("a")
    clone.git("push", "--quiet", "origin", *(f"main:refs/heads/b{number}" for number in range(5)))
    first = api.call("GET", f"/repos/{full_name}/branches", params={"per_page": 2})
    assert [one["name"] for one in first.json()] == ["b0", "b1"]
    assert set(first.links) == {"next", "last"}
    last = api.call("GET", first.links["last"]["url"])
    assert [one["name"] for one in last.json()] == ["b4"]
    assert set(last.links) == {"first", "prev"}


def test_refs_and_commits_are_found_by_name(api: Api, full_name: str, clone: Clone) -> None:
    sha = clone.commit("a")
    clone.git("tag", "--annotate", "--message", "One", "v1")
    clone.git("push", "--quiet", "origin", "main:main", "main:feature/x", "v1")
    assert api.call("GET", f"/repos/{full_name}/branches/feature/x").json()["commit"]["sha"] == sha
    assert api.call("GET", f"/repos/{full_name}/tags").json()[0]["commit"]["sha"] == sha
    assert api.call("GET", f"/repos/{full_name}/git/ref/heads/main").json()["object"]["sha"] == sha
    assert api.call("GET", f"/repos/{full_name}/git/ref/tags/v1").json()["object"]["type"] == "tag"
    assert api.call("GET", f"/repos/{full_name}/commits/v1").json()["sha"] == sha
    raw = api.call("GET", f"/repos/{full_name}/commits/main", headers={"Accept": "application/vnd.github.sha"})
    assert raw.text == sha
    assert api.call("GET", f"/repos/{full_name}/commits/nothing").status_code == 422
    assert api.call("GET", f"/repos/{full_name}/git/ref/heads/nothing").status_code == 404


def test_an_empty_repository_has_no_commits(api: Api, full_name: str) -> None:
    assert api.call("GET", f"/repos/{full_name}/branches").json() == []
    assert api.call("GET", f"/repos/{full_name}/commits/main").status_code == 409


def test_a_zipball_is_a_link_that_opens_one_repository_for_a_while(
    api: Api, host: GitHost, full_name: str, clone: Clone
) -> None:
    sha = clone.commit("é.txt", "contents")
    clone.git("push", "--quiet", "origin", "main")
    link = api.call("GET", f"/repos/{full_name}/zipball/main")
    assert link.status_code == 302
    anonymous = Api(host, "")
    archive = zipfile.ZipFile(io.BytesIO(anonymous.call("GET", link.headers["Location"]).content))
    folder = f"{full_name.replace('/', '-')}-{sha[:7]}/"
    assert archive.namelist() == [folder, f"{folder}é.txt"]
    assert archive.comment.decode() == sha
    bare = link.headers["Location"].partition("?")[0]
    assert anonymous.call("GET", bare).status_code == 404
    host.create_repository("acme/neighbour", admins=["ada"])
    elsewhere = link.headers["Location"].replace(full_name, "acme/neighbour")
    assert anonymous.call("GET", elsewhere).status_code == 404


def test_a_commit_status_is_kept_and_the_worst_one_counts(
    api: Api, host: GitHost, full_name: str, clone: Clone
) -> None:
    sha = clone.commit("a")
    clone.git("push", "--quiet", "origin", "main")
    for context, state in {"build": "success", "deploy": "failure"}.items():
        body = {"state": state, "context": context, "target_url": "http://127.0.0.1:8000/"}
        assert api.call("POST", f"/repos/{full_name}/statuses/{sha}", json=body).status_code == 201
    assert api.call("GET", f"/repos/{full_name}/commits/{sha}/status").json()["state"] == "failure"
    assert [one.state for one in host.statuses(full_name, sha)] == ["failure", "success"]
    refused = api.call("POST", f"/repos/{full_name}/statuses/{'0' * 40}", json={"state": "success"})
    assert refused.status_code == 422


def test_an_unchanged_answer_is_not_sent_again(api: Api, full_name: str) -> None:
    first = api.call("GET", f"/repos/{full_name}")
    again = api.call("GET", f"/repos/{full_name}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/nothing", "/repos/acme/nothing", "/repos/acme", "/user/keys/x"])
def test_what_is_not_there_is_not_found_as_json(api: Api, path: str) -> None:
    answer = api.call("GET", path)
    assert (answer.status_code, answer.json()["message"]) == (404, "Not Found")


def test_a_body_that_is_not_json_is_a_problem_of_parsing(api: Api, full_name: str) -> None:
    answer = api.call("POST", f"/repos/{full_name}/hooks", data="{")
    assert (answer.status_code, answer.json()["message"]) == (400, "Problems parsing JSON")


def test_a_repository_is_made_over_the_api(api: Api, host: GitHost) -> None:
    made = api.call("POST", "/user/repos", json={"name": "new", "private": True})
    assert (made.status_code, made.json()["full_name"]) == (201, "ada/new")
    assert host.repository_path("ada/new").is_dir()
    again = api.call("POST", "/user/repos", json={"name": "new"})
    assert again.json()["errors"][0]["message"] == "name already exists on this account"

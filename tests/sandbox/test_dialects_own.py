"""What only one kind of provider does, as the git host does it."""

import time
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.errors import CredentialsRejected, PermissionMissing, ProviderRefused
from lambdas.common.errors import BadSignature
from lambdas.common.providers import PROVIDERS
from sandbox.git_host import GitHost
from tests.sandbox.conftest import Clone, Received, Receiver, eventually
from tests.sandbox.dialects import Place, make_place
from tests.sandbox.test_dialects import install, pushed, read, zip_of

pytestmark = pytest.mark.sandbox


def make_clone(place: Place, key: Path, directory: Path) -> Clone:
    made = Clone(directory / "clone", place.host, key)
    made.git("remote", "add", "origin", place.host.ssh_url(place.full_name))
    return made


@pytest.fixture
def place(request: pytest.FixtureRequest, host: GitHost) -> Place:
    return make_place(host, request.param)


@pytest.fixture
def clone(place: Place, ada_key: Path, tmp_path: Path) -> Clone:
    return make_clone(place, ada_key, tmp_path)


def call(place: Place, method: str, path: str, **arguments: Any) -> requests.Response:
    """A call with Ada's token in GitLab's own header and in the usual one."""
    token = place.host.create_token("ada")
    headers = {"Authorization": f"Bearer {token}", "PRIVATE-TOKEN": token}
    return requests.request(
        method, place.host.url + path, headers=headers, verify=str(place.host.ca_file), timeout=20, **arguments
    )


def only(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("place", [kind], indirect=True)


def headers_of(received: Received) -> dict[str, str]:
    return {name.lower(): value for name, value in received.headers.items()}


@only("gitlab")
def test_gitlab_sends_a_plain_token_where_there_is_no_signing_token(
    place: Place, receiver: Receiver, clone: Clone
) -> None:
    place.client().install_webhook(place.full_name, url=receiver.url(), secret="a plain token")
    clone.commit("a")
    clone.git("push", "--quiet", "origin", "main")
    [change] = pushed(place, receiver, "a plain token", 1)
    assert change.repository == place.full_name
    headers = headers_of(receiver.requests[0])
    assert headers["x-gitlab-token"] == "a plain token"
    assert "webhook-signature" not in headers


@only("gitlab")
def test_gitlab_tells_nothing_of_more_than_three_branches_at_once(
    place: Place, receiver: Receiver, clone: Clone
) -> None:
    secret = install(place, receiver)
    clone.commit("a")
    clone.git("tag", "v1")
    clone.git("push", "--quiet", "origin", *(f"main:b{number}" for number in range(4)), "v1")
    assert [change.ref for change in pushed(place, receiver, secret, 1)] == ["refs/tags/v1"]


@only("gitlab")
def test_gitlab_lists_what_it_sent_and_sends_it_again_under_its_id(
    place: Place, receiver: Receiver, clone: Clone
) -> None:
    secret = install(place, receiver)
    clone.commit("a")
    clone.git("push", "--quiet", "origin", "main")
    pushed(place, receiver, secret, 1)
    client, hook = place.client(), str(place.host.hooks(place.full_name)[0].id)
    [sent] = eventually(lambda: client.recent_deliveries(place.full_name, hook))
    assert (sent.event, sent.status_code) == ("Push Hook", 202)
    assert client.redeliver(place.full_name, hook, sent.id)
    first, again = receiver.requests
    assert read(place, again, secret).delivery_id == read(place, first, secret).delivery_id == sent.delivery_id
    assert again.body == first.body


@only("gitlab")
def test_gitlabs_test_is_the_last_push_once_more(place: Place, receiver: Receiver, clone: Clone) -> None:
    secret = install(place, receiver)
    hook = str(place.host.hooks(place.full_name)[0].id)
    with pytest.raises(ProviderRefused, match="at least one commit"):
        place.client().ping_webhook(place.full_name, hook)
    clone.commit("a")
    head = clone.commit("b")
    clone.git("push", "--quiet", "origin", "main")
    pushed(place, receiver, secret, 1)
    receiver.requests.clear()
    assert place.client().ping_webhook(place.full_name, hook)
    assert [change.commit for change in pushed(place, receiver, secret, 1)] == [head]


@only("gitlab")
def test_gitlabs_signature_is_of_the_moment(
    place: Place, receiver: Receiver, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = install(place, receiver)
    clone.commit("a")
    clone.git("push", "--quiet", "origin", "main")
    pushed(place, receiver, secret, 1)
    headers, later = headers_of(receiver.requests[0]), time.time() + 400
    monkeypatch.setattr("lambdas.common.providers.gitlab.time.time", lambda: later)
    with pytest.raises(BadSignature, match="five minutes"):
        PROVIDERS["gitlab"].webhooks.verify(headers, receiver.requests[0].body, [secret])


@only("gitlab")
def test_gitlab_finds_a_project_by_its_number_too(place: Place) -> None:
    by_name = call(place, "GET", f"/api/v4/projects/{place.full_name.replace('/', '%2F')}").json()
    assert by_name["path_with_namespace"] == place.full_name
    assert call(place, "GET", f"/api/v4/projects/{by_name['id']}").json() == by_name
    missing = call(place, "GET", "/api/v4/projects/acme%2Fnothing")
    assert (missing.status_code, missing.json()) == (404, {"message": "404 Project Not Found"})


@only("gitlab")
def test_other_kinds_do_not_know_of_groups_within_groups(place: Place) -> None:
    for path in ("/api/v3/user/repos", "/api/v1/user/repos", "/rest/api/latest/repos?limit=1000"):
        answer = call(place, "GET", path)
        assert answer.status_code == 200
        assert place.full_name.rpartition("/")[2] not in answer.text


@only("bitbucket_cloud")
def test_an_access_token_of_bitbucket_is_nobodys(place: Place, clone: Clone) -> None:
    commit = clone.commit("a")
    clone.git("push", "--quiet", "origin", "main")
    client = place.client({"token": place.host.create_token("ada")})
    assert client.check().missing == ()
    assert client.repository(place.full_name).full_name == place.full_name
    with pytest.raises(PermissionMissing):
        client.search_repositories("shop")
    assert zip_of(place, commit, client.archive_credentials()) == {"a": b"x"}


@only("bitbucket_cloud")
def test_an_oauth_consumer_gets_a_token_for_its_key_and_secret(place: Place, clone: Clone) -> None:
    commit = clone.commit("a")
    clone.git("push", "--quiet", "origin", "main")
    key, secret = place.host.create_oauth_consumer("ada")
    client = place.client({"oauth_key": key, "oauth_secret": secret})
    identity = client.check()
    assert (identity.login, identity.missing) == ("ada", ())
    assert place.full_name in [one.full_name for one in client.search_repositories(place.full_name).items]
    assert zip_of(place, commit, client.archive_credentials()) == {"a": b"x"}
    with pytest.raises(CredentialsRejected):
        place.client({"oauth_key": key, "oauth_secret": "wrong"}).check()


@only("bitbucket_cloud")
def test_bitbucket_cloud_tells_all_refs_of_a_push_at_once(place: Place, receiver: Receiver, clone: Clone) -> None:
    secret = install(place, receiver)
    for number in range(6):
        clone.commit(f"f{number}")
    clone.git("push", "--quiet", "origin", "main", "main:other")
    pushed(place, receiver, secret, 2)
    [request] = receiver.requests
    headers = headers_of(request)
    assert (headers["x-event-key"], headers["x-attempt-number"]) == ("repo:push", "1")


@only("bitbucket_cloud")
def test_bitbucket_cloud_publishes_its_host_key(place: Place) -> None:
    assert place.client().ssh_host_keys() == [place.host.host_key]


@only("bitbucket_server")
def test_bitbucket_data_center_pings_without_a_signature(place: Place, receiver: Receiver) -> None:
    install(place, receiver)
    assert place.client().ping_webhook(place.full_name, str(place.host.hooks(place.full_name)[0].id))
    [ping] = [one for one in receiver.requests if headers_of(one)["x-event-key"] == "diagnostics:ping"]
    assert "x-hub-signature" not in headers_of(ping)
    assert PROVIDERS["bitbucket_server"].webhooks.parse(headers_of(ping), ping.body).is_ping


def test_a_persons_own_repository_of_bitbucket_data_center(
    host: GitHost, receiver: Receiver, ada_key: Path, tmp_path: Path
) -> None:
    place = make_place(host, "bitbucket_server", "~ada")
    clone = make_clone(place, ada_key, tmp_path)
    secret = install(place, receiver)
    commit = clone.commit("a")
    clone.git("push", "--quiet", "origin", "main")
    [change] = pushed(place, receiver, secret, 1)
    assert (change.repository, change.commit) == (place.full_name, commit)
    assert zip_of(place, commit, place.client().archive_credentials()) == {"a": b"x"}


@only("bitbucket_server")
def test_an_archive_of_bitbucket_data_center_has_no_folder_unless_asked(place: Place, clone: Clone) -> None:
    commit = clone.commit("a")
    clone.git("push", "--quiet", "origin", "main")
    key, _, slug = place.full_name.partition("/")
    archive = call(place, "GET", f"/rest/api/latest/projects/{key}/repos/{slug}/archive?at={commit}&format=zip")
    assert archive.headers["Content-Type"] == "application/zip"
    assert b"PK\x03\x04" in archive.content
    assert f"{slug}/".encode() not in archive.content


@only("gitea")
def test_gitea_tells_of_a_deleted_branch_by_another_event(place: Place, receiver: Receiver, clone: Clone) -> None:
    secret = install(place, receiver)
    clone.commit("a")
    clone.git("push", "--quiet", "origin", "main", "main:doomed")
    pushed(place, receiver, secret, 2)
    hook = place.host.hooks(place.full_name)[0]
    place.host.store.update_hook(hook, events=["push", "delete"])
    receiver.requests.clear()
    clone.git("push", "--quiet", "origin", ":doomed")
    [request] = eventually(lambda: receiver.requests)
    assert headers_of(request)["x-gitea-event"] == "delete"
    assert read(place, request, secret).changes == ()


@only("gitea")
def test_gitea_signs_the_json_of_a_form(place: Place, receiver: Receiver, clone: Clone) -> None:
    secret = install(place, receiver)
    place.host.store.update_hook(place.host.hooks(place.full_name)[0], content_type="form")
    head = clone.commit("a & b")
    clone.git("push", "--quiet", "origin", "main")
    assert [change.commit for change in pushed(place, receiver, secret, 1)] == [head]
    assert receiver.requests[0].body.startswith(b"payload=")


@only("gitea")
def test_giteas_test_is_a_push_from_the_head_to_itself(place: Place, receiver: Receiver, clone: Clone) -> None:
    secret = install(place, receiver)
    head = clone.commit("a")
    clone.git("push", "--quiet", "origin", "main")
    pushed(place, receiver, secret, 1)
    receiver.requests.clear()
    assert place.client().ping_webhook(place.full_name, str(place.host.hooks(place.full_name)[0].id))
    [change] = pushed(place, receiver, secret, 1)
    assert (change.before, change.commit) == (head, head)


@only("gitea")
def test_a_hook_speaks_the_dialect_it_was_made_in_and_is_listed_there_alone(place: Place, receiver: Receiver) -> None:
    install(place, receiver)
    assert len(call(place, "GET", f"/api/v1/repos/{place.full_name}/hooks").json()) == 1
    assert call(place, "GET", f"/api/v3/repos/{place.full_name}/hooks").json() == []
    assert call(place, "GET", f"/2.0/repositories/{place.full_name}/hooks").json()["values"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v4/nothing", {"message": "404 Not Found"}),
        ("/2.0/repositories/acme/nothing", {"type": "error", "error": {"message": "Not Found"}}),
        ("/rest/api/latest/nothing", {"context": None, "message": "Not Found"}),
        ("/api/v1/repos/acme/nothing", {"message": "The target couldn't be found."}),
    ],
)
def test_what_is_not_there_is_said_in_each_ones_words(host: GitHost, path: str, body: dict[str, Any]) -> None:
    answer = call(make_place(host, "gitea"), "GET", path)
    assert answer.status_code == 404
    said = answer.json()
    assert body.items() <= (said["errors"][0] if "errors" in said else said).items()


def test_a_state_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    host = GitHost(tmp_path)
    repository = host.create_repository("acme/shop", admins=["ada"])
    host.store.add_hook(
        repository,
        active=True,
        events=["push"],
        url="http://127.0.0.1:1",
        content_type="json",
        insecure_ssl=False,
        secret="",
        last_response={},
    )
    for column in ("dialect", "options"):
        host.store.run(f"ALTER TABLE hooks DROP COLUMN {column}")
    host.store.close()
    [hook] = GitHost(tmp_path).hooks("acme/shop")
    assert (hook.dialect, hook.options) == ("github", {})

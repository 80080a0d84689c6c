"""git over SSH and HTTPS, and the webhooks that pushes set off."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from sandbox.git_host import GitHost
from sandbox.git_host.git import ZEROS
from tests.sandbox.conftest import Api, Clone, Receiver, eventually, make_key

pytestmark = pytest.mark.sandbox
SECRET = "a webhook's secret"


@pytest.fixture
def hook(api: Api, full_name: str, receiver: Receiver) -> dict[str, Any]:
    made = api.add_hook(full_name, receiver.url(), secret=SECRET)
    eventually(lambda: receiver.events("ping"))
    return made


def pushes(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    eventually(lambda: len(receiver.events("push")) >= count)
    return [json.loads(one.body) for one in receiver.events("push")]


def test_a_new_hook_is_pinged_with_a_signature(hook: dict[str, Any], receiver: Receiver, host: GitHost) -> None:
    ping = receiver.events("ping")[0]
    expected = hmac.new(SECRET.encode(), ping.body, hashlib.sha256).hexdigest()
    assert ping.headers["X-Hub-Signature-256"] == f"sha256={expected}"
    assert ping.headers["X-GitHub-Hook-ID"] == str(hook["id"])
    assert ping.headers["X-GitHub-Enterprise-Host"] == f"127.0.0.1:{host.port}"
    assert json.loads(ping.body)["hook_id"] == hook["id"]


def test_a_new_branch_arrives_with_its_commits(hook: dict[str, Any], receiver: Receiver, clone: Clone) -> None:
    clone.commit("é.txt")
    head = clone.commit("b")
    clone.git("push", "--quiet", "origin", "main")
    (event,) = pushes(receiver, 1)
    assert (event["ref"], event["before"], event["after"]) == ("refs/heads/main", ZEROS, head)
    assert (event["created"], event["deleted"], event["forced"]) == (True, False, False)
    assert [commit["added"] for commit in event["commits"]] == [["é.txt"], ["b"]]
    assert event["head_commit"]["message"] == "Add b"
    assert event["sender"]["login"] == "ada"


def test_only_the_new_commits_of_a_branch_arrive(hook: dict[str, Any], receiver: Receiver, clone: Clone) -> None:
    first = clone.commit("a")
    clone.git("push", "--quiet", "origin", "main")
    pushes(receiver, 1)
    second = clone.commit("a", "changed")
    clone.git("push", "--quiet", "origin", "main")
    event = pushes(receiver, 2)[1]
    assert (event["before"], event["after"]) == (first, second)
    assert [(one["id"], one["modified"], one["distinct"]) for one in event["commits"]] == [(second, ["a"], True)]


def test_a_forced_push_and_a_deletion_say_so(hook: dict[str, Any], receiver: Receiver, clone: Clone) -> None:
    clone.commit("a")
    clone.git("push", "--quiet", "origin", "main", "main:doomed")
    clone.git("commit", "--quiet", "--amend", "--message", "Other")
    clone.git("push", "--quiet", "--force", "origin", "main")
    clone.git("push", "--quiet", "origin", ":doomed")
    events = pushes(receiver, 4)
    assert [event["forced"] for event in events if event["ref"] == "refs/heads/main"] == [False, True]
    deletion = next(event for event in events if event["deleted"])
    assert (deletion["ref"], deletion["after"], deletion["head_commit"]) == ("refs/heads/doomed", ZEROS, None)


def test_each_ref_of_a_push_is_an_event_of_its_own(hook: dict[str, Any], receiver: Receiver, clone: Clone) -> None:
    clone.commit("a")
    clone.git("tag", "v1")
    clone.git("push", "--quiet", "origin", "main", "main:other", "v1")
    refs = sorted(event["ref"] for event in pushes(receiver, 3))
    assert refs == ["refs/heads/main", "refs/heads/other", "refs/tags/v1"]


def test_more_than_three_tags_in_a_push_make_no_events(
    hook: dict[str, Any], receiver: Receiver, clone: Clone, host: GitHost, full_name: str
) -> None:
    clone.commit("a")
    for number in range(4):
        clone.git("tag", f"v{number}")
    clone.git("push", "--quiet", "origin", "main", "--tags")
    assert [event["ref"] for event in pushes(receiver, 1)] == ["refs/heads/main"]
    eventually(lambda: len(host.hook_deliveries(full_name)) >= 2)
    assert [one.event for one in host.hook_deliveries(full_name)] == ["push", "ping"]


def test_a_form_is_signed_over_the_encoded_body(api: Api, receiver: Receiver, clone: Clone, full_name: str) -> None:
    api.add_hook(full_name, receiver.url(), secret=SECRET, content_type="form")
    clone.commit("a & b")
    clone.git("push", "--quiet", "origin", "main")
    (sent,) = eventually(lambda: receiver.events("push"))
    expected = hmac.new(SECRET.encode(), sent.body, hashlib.sha256).hexdigest()
    assert sent.headers["X-Hub-Signature-256"] == f"sha256={expected}"
    assert sent.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert json.loads(parse_qs(sent.body.decode())["payload"][0])["ref"] == "refs/heads/main"


def test_names_below_localhost_are_this_machine(api: Api, receiver: Receiver, full_name: str) -> None:
    api.add_hook(full_name, receiver.url(host="a1b2c3.execute-api.localhost"))
    (ping,) = eventually(lambda: receiver.events("ping"))
    assert ping.headers["Host"] == f"a1b2c3.execute-api.localhost:{receiver.port}"


def test_a_delivery_is_recorded_and_sent_again_under_its_id(
    api: Api, hook: dict[str, Any], receiver: Receiver, full_name: str
) -> None:
    path = f"/repos/{full_name}/hooks/{hook['id']}/deliveries"
    (first,) = eventually(lambda: api.call("GET", path).json())
    assert (first["event"], first["status_code"], first["redelivery"]) == ("ping", 202, False)
    assert api.call("POST", f"{path}/{first['id']}/attempts").status_code == 202
    eventually(lambda: len(receiver.requests) == 2)
    again = eventually(lambda: [one for one in api.call("GET", path).json() if one["redelivery"]])[0]
    assert again["guid"] == first["guid"]
    assert receiver.requests[1].body == receiver.requests[0].body
    full = api.call("GET", f"{path}/{again['id']}").json()
    assert full["response"]["payload"] == "ok"


def test_a_host_that_cannot_be_reached_is_recorded(api: Api, host: GitHost, full_name: str) -> None:
    api.add_hook(full_name, "http://127.0.0.1:1/nobody")
    (failed,) = eventually(lambda: host.hook_deliveries(full_name))
    assert (failed.status_code, failed.status) == (0, "failed to connect to host")


def test_an_inactive_hook_gets_nothing(
    api: Api, hook: dict[str, Any], receiver: Receiver, clone: Clone, full_name: str
) -> None:
    api.call("PATCH", f"/repos/{full_name}/hooks/{hook['id']}", json={"active": False})
    api.add_hook(full_name, receiver.url("/second"))
    clone.commit("a")
    clone.git("push", "--quiet", "origin", "main")
    pushes(receiver, 1)
    assert [one.path for one in receiver.events("push")] == ["/second"]


def test_a_deploy_key_reads_its_repository_and_nothing_else(
    api: Api, host: GitHost, clone: Clone, full_name: str, tmp_path: Path
) -> None:
    sha = clone.commit("a")
    clone.git("push", "--quiet", "origin", "main")
    key = tmp_path / "deploy"
    body = {"title": "Sluice", "key": make_key(key), "read_only": True}
    api.call("POST", f"/repos/{full_name}/keys", json=body)
    machine = Clone(tmp_path / "machine", host, key)
    assert machine.git("ls-remote", host.ssh_url(full_name), "refs/heads/main").split()[0] == sha
    machine.git("fetch", "--quiet", "--depth=1", host.ssh_url(full_name), sha)
    refused = clone.directory / ".git"
    denied = machine.git("--git-dir", str(refused), "push", host.ssh_url(full_name), "main:x", fails=True)
    assert "marked as read only" in denied
    other = host.create_repository("acme/secret", admins=["ada"]).full_name
    assert "Repository not found" in machine.git("ls-remote", host.ssh_url(other), fails=True)
    (used,) = host.deploy_keys(full_name)
    assert used.last_used is not None
    api.call("DELETE", f"/repos/{full_name}/keys/{used.id}")
    assert "Permission denied" in machine.git("ls-remote", host.ssh_url(full_name), fails=True)


def test_an_unknown_key_is_refused(host: GitHost, full_name: str, tmp_path: Path) -> None:
    make_key(tmp_path / "nobody")
    stranger = Clone(tmp_path / "stranger", host, tmp_path / "nobody")
    assert "Permission denied" in stranger.git("ls-remote", host.ssh_url(full_name), fails=True)


def test_a_push_over_https_takes_a_token_and_sets_off_webhooks(
    host: GitHost, hook: dict[str, Any], receiver: Receiver, clone: Clone, full_name: str
) -> None:
    head = clone.commit("a")
    address = f"127.0.0.1:{host.port}/{full_name}.git"
    assert "could not read Username" in clone.git("push", f"https://{address}", "main", fails=True)
    reader = host.create_token("ada", permissions={"contents": "read"})
    assert "403" in clone.git("push", f"https://x:{reader}@{address}", "main", fails=True)
    writer = host.create_token("ada")
    clone.git("push", "--quiet", f"https://x:{writer}@{address}", "main")
    assert pushes(receiver, 1)[0]["after"] == head
    assert clone.git("ls-remote", f"https://x:{reader}@{address}", "refs/heads/main").split()[0] == head


def test_a_large_push_and_fetch_go_through(host: GitHost, clone: Clone, full_name: str, tmp_path: Path) -> None:
    data = hashlib.shake_256(b"seed").digest(8_000_000)
    (clone.directory / "big").write_bytes(data)
    clone.commit("small")
    clone.git("push", "--quiet", "origin", "main")
    address = f"https://x:{host.create_token('ada')}@127.0.0.1:{host.port}/{full_name}.git"
    for url, name in ((host.ssh_url(full_name), "ssh"), (address, "https")):
        clone.git("clone", "--quiet", url, str(tmp_path / name))
        assert (tmp_path / name / "big").read_bytes() == data


def test_the_first_branch_pushed_becomes_the_default_one(api: Api, clone: Clone, full_name: str) -> None:
    clone.commit("a")
    clone.git("push", "--quiet", "origin", "main:trunk")
    eventually(lambda: api.call("GET", f"/repos/{full_name}").json()["default_branch"] == "trunk")


def test_state_survives_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    with GitHost(tmp_path / "state") as host:
        token, ports = host.create_token("ada"), (host.port, host.ssh_port)
        host.create_repository("acme/shop", admins=["ada"])
        Api(host, token).add_hook("acme/shop", receiver.url(), secret=SECRET)
        line, ca = host.known_hosts_line, host.ca_pem
    with GitHost(tmp_path / "state", port=ports[0], ssh_port=ports[1]) as host:
        assert (host.known_hosts_line, host.ca_pem) == (line, ca)
        assert Api(host, token).call("GET", "/repos/acme/shop").status_code == 200
        assert host.hooks("acme/shop")[0].secret == SECRET

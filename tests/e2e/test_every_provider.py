"""Each kind of provider, by both methods: what it sends for a push ends as the zip of the commit's tree.

The sandbox's git host passes for each of them: its API, its payloads, headers and signatures, its archives.
"""

import io
import json
import secrets
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import pytest

from integrations.providers.base import ProviderConfig
from integrations.providers.registry import client_class
from tests.e2e.world import Clone, World, until

pytestmark = pytest.mark.sandbox

# How each kind writes full names.
OWNERS = {
    "github_enterprise": "acme",
    "gitlab": "acme/tools/backend",
    "bitbucket_cloud": "acme",
    "bitbucket_server": "PROJ",
    "gitea": "acme",
}
METHODS = ("zip_download", "git_pull")
LARGE = bytes(range(256)) * 4096
SIGNATURES = {"X-Hub-Signature", "X-Hub-Signature-256", "X-Gitea-Signature", "X-Gitlab-Token", "webhook-signature"}


@dataclass(frozen=True)
class Place:
    """A repository at one kind of provider, mirrored by both methods, and what was pushed to it."""

    kind: str
    full_name: str
    integrations: Mapping[str, dict[str, Any]]
    clone: Clone
    commit: str

    @property
    def name(self) -> str:
        return self.full_name.rpartition("/")[2]


@pytest.fixture(scope="module")
def begun(world: World) -> dict[str, tuple[str, dict[str, Any]]]:
    """The repository of each kind, and what provisions its integrations, by method: all at the same time."""
    return {kind: start(world, kind) for kind in OWNERS}


@pytest.fixture(scope="module", params=OWNERS)
def place(request: pytest.FixtureRequest, world: World, begun: dict[str, tuple[str, dict[str, Any]]]) -> Place:
    full_name, operations = begun[request.param]
    integrations = {}
    for method, operation in operations.items():
        ended = world.finished(operation, seconds=300)
        assert ended["status"] == "succeeded", f"{method}: {ended['problem']}"
        integrations[method] = world.get(f"/integrations/{operation['integration']}/")
    clone = world.clone(full_name)
    for integration in integrations.values():
        world.ended(integration, ref="refs/heads/main")  # the first commit; from here on all functions are warm
    return Place(request.param, full_name, integrations, clone, push(world, full_name, clone))


def start(world: World, kind: str) -> tuple[str, dict[str, Any]]:
    """A new repository's full name, and by method the operations that provision its integrations."""
    full_name = world.make_repository(OWNERS[kind])
    provider = world.add_provider(
        kind=kind,
        name=f"{kind} {secrets.token_hex(3)}",
        credentials=credentials(world, kind),
        ssh_known_hosts=world.sandbox.git.known_hosts_line,
    )
    operations = {}
    for method in METHODS:
        integration = world.add_integration(
            full_name,
            provider=provider,
            method=method,
            refs=["main", "tags:v*"],
            ignored_paths=["docs"],
            commit_statuses=True,
            lfs=method == "git_pull",
        )
        operations[method] = world.post(f"/integrations/{integration['id']}/provision/")
    return full_name, operations


def credentials(world: World, kind: str) -> dict[str, str]:
    email = {"email": f"{world.env['git_user']}@example.com"} if kind == "bitbucket_cloud" else {}
    return {"token": world.git_token, **email}


def push(world: World, full_name: str, clone: Clone) -> str:
    """Push a commit to main with the annotated tag v1, then the annotated tag v2 alone and the tag v3; returns it."""
    script = clone.path / "run"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    (clone.path / "link").symlink_to("run")
    oid = world.sandbox.git.add_lfs_object(full_name, LARGE)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(LARGE)}\n"
    files = {"Übersicht.txt": "äöü", ".gitattributes": "*.bin filter=lfs -text\n", "large.bin": pointer}
    commit = clone.commit("Add a script and a link", **files)
    for tag in ("v1", "v2"):
        clone.git("tag", "--annotate", "--message", tag, tag)
    clone.git("tag", "v3")
    clone.push("HEAD:refs/heads/main", "v1")
    clone.push("v2")
    clone.push("v3")
    return commit


@pytest.mark.parametrize("method", METHODS)
def test_push_becomes_a_zip_of_the_commits_tree(world: World, place: Place, method: str):
    integration = place.integrations[method]

    delivery = world.ended(integration, commit=place.commit, ref="refs/heads/main")
    assert delivery["status"] == "stored", delivery["reason"]
    assert delivery["sender"] == world.env["git_user"]
    assert (delivery["author"], delivery["message"]) == ("Ada Lovelace", "Add a script and a link")
    assert delivery["artifact_key"] == f"{place.full_name}/main/{place.name}.zip"
    [artifact] = [
        one
        for one in world.artifacts(integration)
        if one["commit"] == place.commit and one["key"] == delivery["artifact_key"]
    ]
    with zipfile.ZipFile(io.BytesIO(world.download(artifact))) as archive:
        tree = place.clone.git("-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", place.commit).splitlines()
        assert sorted(info.filename for info in archive.infolist() if not info.is_dir()) == sorted(tree)
        assert archive.read("Übersicht.txt").decode() == "äöü"
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        assert modes["run"] & stat.S_IXUSR
        assert stat.S_ISLNK(modes["link"])


@pytest.mark.parametrize("method", METHODS)
def test_git_lfs_files_are_in_the_zip_where_that_is_switched_on(world: World, place: Place, method: str):
    integration = place.integrations[method]
    delivery = world.ended(integration, commit=place.commit, ref="refs/heads/main")
    [artifact] = [one for one in world.artifacts(integration) if one["key"] == delivery["artifact_key"]][:1]
    with zipfile.ZipFile(io.BytesIO(world.download(artifact))) as archive:
        content = archive.read("large.bin")
    assert integration["lfs"] is (method == "git_pull")
    assert content == LARGE if integration["lfs"] else content.startswith(b"version https://git-lfs.github.com/spec/v1")


@pytest.mark.parametrize("method", METHODS)
def test_tags_have_zips_of_their_own_annotated_or_not_alone_or_with_a_branch(world: World, place: Place, method: str):
    for tag in ("v1", "v2", "v3"):
        delivery = world.ended(place.integrations[method], ref=f"refs/tags/{tag}")
        assert delivery["status"] == "stored", delivery["reason"]
        assert delivery["artifact_key"] == f"{place.full_name}/refs/tags/{tag}/{place.name}.zip"


@pytest.mark.parametrize("method", METHODS)
def test_the_provider_is_told_what_became_of_the_commit(world: World, place: Place, method: str):
    context = f"sluice/{place.integrations[method]['name']}"

    def told() -> bool:
        newest = [one for one in world.sandbox.git.statuses(place.full_name, place.commit) if one.context == context]
        return bool(newest) and newest[0].state.lower().startswith("success")

    until(told, f"a commit status {context}")


def test_delivery_that_is_sent_again_without_its_signature_is_refused(world: World, place: Place):
    integration = place.integrations["zip_download"]
    world.ended(integration, commit=place.commit, ref="refs/heads/main")
    sent = next(
        one
        for one in world.sandbox.git.hook_deliveries(place.full_name)
        if one.url == integration["webhook_url"] and place.commit in str(one.request_payload)
    )
    body = json.dumps(sent.request_payload, ensure_ascii=False, separators=(",", ":")).encode()
    assert world.webhook(integration, body, sent.request_headers).status_code == 200
    unsigned = {name: value for name, value in sent.request_headers.items() if name not in SIGNATURES}
    refused = world.webhook(integration, body, unsigned)
    assert refused.status_code == 401, refused.text


def test_a_push_that_changes_no_file_that_counts_is_ignored_by_both_methods(world: World, place: Place):
    for integration in place.integrations.values():
        world.ended(integration, commit=place.commit, ref="refs/heads/main")
    (place.clone.path / "docs").mkdir()
    commit = place.clone.commit("Explain", **{"docs/a.md": "# A"})
    place.clone.push("HEAD:refs/heads/main")

    for integration in place.integrations.values():
        delivery = world.ended(integration, commit=commit, ref="refs/heads/main")
        assert delivery["status"] == "ignored"
        assert delivery["reason"] == "the one changed file matches the ignored paths `docs`"


def test_three_pushes_of_an_outage_are_caught_up_by_one_check(world: World, place: Place):
    integration = place.integrations["zip_download"]
    check = f"/integrations/{integration['id']}/catch-up/"
    world.post(check)  # what stands there already is accounted for
    cut_off(world, place)
    commit = place.clone.commit("Made while nobody listened", notes="1")
    place.clone.git("tag", "v8")
    place.clone.git("tag", "--annotate", "--message", "v9", "v9")
    place.clone.push("HEAD:refs/heads/main", "v8", "v9")

    assert world.post(check)["queued"] == 3

    for ref in ("refs/heads/main", "refs/tags/v8", "refs/tags/v9"):
        delivery = world.ended(integration, ref=ref, commit=commit)
        assert (delivery["event"], delivery["status"]) == ("catch-up", "stored"), delivery["reason"]
    assert world.post(check)["queued"] == 0


def cut_off(world: World, place: Place) -> None:
    """From now on no push to the repository is told to anybody."""
    host = world.sandbox.git
    config = ProviderConfig(
        base_url=host.url,
        credentials=credentials(world, place.kind),
        ca_bundle=host.ca_pem,
        allowed_networks=[ip_network("127.0.0.0/8")],
    )
    remote = client_class(place.kind)(config)
    for hook in remote.webhooks(place.full_name):
        remote.remove_webhook(place.full_name, hook.id)
    assert remote.webhooks(place.full_name) == []

"""A push from a person's terminal becomes an artifact; whatever else arrives is explained."""

import io
import json
import stat
import zipfile
from urllib.parse import urlencode

import pytest

from tests.e2e.world import Clone, World, until

pytestmark = pytest.mark.sandbox


@pytest.mark.parametrize("method", ["zip_download", "git_pull"])
def test_push_becomes_a_zip_of_the_commits_tree(world: World, repository: str, clone: Clone, method: str):
    integration = world.provisioned(repository, method=method)
    (clone.path / "bin").mkdir()
    script = clone.path / "bin" / "run"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    (clone.path / "link").symlink_to("bin/run")
    commit = clone.commit("Add a script and a link", **{"Übersicht.txt": "äöü"})
    clone.push()

    delivery = world.ended(integration, commit=commit)
    assert delivery["status"] == "stored", delivery["reason"]
    [artifact] = [one for one in until(lambda: world.artifacts(integration), "an artifact") if one["commit"] == commit]
    assert artifact["key"] == f"{repository}/main/{repository.split('/')[1]}.zip"
    with zipfile.ZipFile(io.BytesIO(world.download(artifact))) as archive:
        tree = clone.git("-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", commit).splitlines()
        assert sorted(info.filename for info in archive.infolist() if not info.is_dir()) == sorted(tree)
        assert archive.read("Übersicht.txt").decode() == "äöü"
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        assert modes["bin/run"] & stat.S_IXUSR
        assert stat.S_ISLNK(modes["link"])
        assert archive.read("link") == b"bin/run"


def test_same_tree_again_makes_no_new_version(world: World, repository: str, clone: Clone):
    integration = world.provisioned(repository, method="git_pull")
    first = clone.commit("Something", data="1")
    clone.push()
    before = world.ended(integration, commit=first)
    assert before["status"] == "stored", before["reason"]
    second = clone.commit("Nothing but a message", data="1")
    clone.push()
    delivery = world.ended(integration, commit=second)
    assert delivery["status"] == "stored", delivery["reason"]
    assert "not changed" in delivery["reason"], world.deliveries(integration)
    versions = world.aws("s3").list_object_versions(Bucket=integration["output_bucket"])["Versions"]
    assert len(versions) == 1


def test_refs_that_are_not_mirrored_and_deleted_ones_are_ignored_with_the_reason(
    world: World, repository: str, clone: Clone
):
    integration = world.provisioned(repository, refs=["main", "tags:v*"])
    clone.push("HEAD:refs/heads/docs")
    ignored = world.ended(integration, ref="refs/heads/docs")
    assert ignored["status"] == "ignored"
    assert "docs" in ignored["reason"]
    assert "main" in ignored["reason"]

    clone.git("tag", "v1.0")
    clone.push("v1.0")
    tagged = world.ended(integration, ref="refs/tags/v1.0")
    assert tagged["status"] == "stored", tagged["reason"]
    assert tagged["artifact_key"] == f"{repository}/refs/tags/v1.0/{repository.split('/')[1]}.zip"

    clone.push(":refs/tags/v1.0")
    deleted = world.ended(integration, ref="refs/tags/v1.0", commit="")
    assert deleted["status"] == "ignored"
    assert "deleted" in deleted["reason"]
    assert world.ended(integration, event="ping")["status"] == "ignored"


def test_forged_unreadable_and_repeated_deliveries(world: World, repository: str, clone: Clone):
    integration = world.provisioned(repository)
    secret = world.webhook_secret(repository)
    commit = clone.commit("A real one", data="real")
    clone.push()
    real = world.ended(integration, commit=commit)
    assert real["status"] == "stored"

    [sent] = [one for one in world.sandbox.git.hook_deliveries(repository) if one.event == "push"]
    headers = {"X-GitHub-Event": "push", "X-GitHub-Delivery": real["provider_delivery_id"]}
    body = json.dumps({"ref": "refs/heads/main", "after": "f" * 40, "repository": {"full_name": repository}}).encode()

    for wrong in ("", "another secret"):
        forged = world.webhook(integration, body, headers, secret=wrong)
        assert forged.status_code == 401, forged.text
        assert forged.json()["status"] == "rejected"
    rejected = world.ended(integration, status="rejected")
    assert "signature" in rejected["reason"].lower()
    assert world.ended(integration, commit=commit)["status"] == "stored"

    garbage = world.webhook(integration, b"{not json", headers, secret=secret)
    assert garbage.status_code == 400, garbage.text
    until(lambda: len([d for d in world.deliveries(integration) if d["status"] == "rejected"]) == 3, "three rejections")

    [hook] = world.git_api("GET", f"/repos/{repository}/hooks")
    world.git_api("POST", f"/repos/{repository}/hooks/{hook['id']}/deliveries/{sent.id}/attempts")
    again = until(lambda: [d for d in world.sandbox.git.hook_deliveries(repository) if d.redelivery], "the redelivery")
    assert again[0].status_code == 200
    assert len([d for d in world.deliveries(integration) if d["commit"] == commit]) == 1
    assert len([a for a in world.artifacts(integration) if a["commit"] == commit]) == 1


def test_form_encoded_github_delivery_is_stored(world: World, repository: str, clone: Clone):
    integration = world.provisioned(repository)
    secret = world.webhook_secret(repository)
    [hook] = world.git_api("GET", f"/repos/{repository}/hooks")
    world.git_api("PATCH", f"/repos/{repository}/hooks/{hook['id']}", {"active": False})
    commit = clone.commit("Sent as a form", data="form")
    clone.push()
    payload = {
        "ref": "refs/heads/main",
        "before": "0" * 40,
        "after": commit,
        "deleted": False,
        "repository": {"full_name": repository},
        "head_commit": {"id": commit, "message": "Sent as a form", "author": {"name": "Ada"}},
        "sender": {"login": "ada"},
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    headers = {
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": "0b989ba4-242f-11e5-81e1-c7b6966d2516",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    answer = world.webhook(integration, body, headers, secret=secret)
    assert answer.status_code == 202, answer.text
    assert world.ended(integration, commit=commit)["status"] == "stored"

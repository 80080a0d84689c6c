"""Git LFS at the git host: who is let in over SSH, and what moves over HTTPS."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.git_host import GitHost
from tests.sandbox.conftest import make_key

pytestmark = pytest.mark.sandbox
DATA = b"a large file" * 1000
OID = hashlib.sha256(DATA).hexdigest()


def authenticate(host: GitHost, key: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    options = ["-i", str(key), "-p", str(host.ssh_port), "-F", "none"]
    checks = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    command = ["ssh", *options, *checks, "git@127.0.0.1", "git-lfs-authenticate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def batch(host: GitHost, access: dict[str, Any], operation: str, *, oid: str = OID) -> requests.Response:
    body = {"operation": operation, "objects": [{"oid": oid, "size": len(DATA)}]}
    url = access["href"] + "/objects/batch"
    return requests.post(url, json=body, headers=access["header"], verify=host.ca_file, timeout=10)


def test_an_object_is_brought_and_got(host: GitHost, ada_key: Path, full_name: str) -> None:
    access = json.loads(authenticate(host, ada_key, f"{full_name}.git", "upload").stdout)
    missing = batch(host, access, "download").json()["objects"][0]["error"]
    assert missing["code"] == 404

    action = batch(host, access, "upload").json()["objects"][0]["actions"]["upload"]
    arguments: dict[str, Any] = {"headers": action["header"], "verify": host.ca_file, "timeout": 10}
    assert requests.put(action["href"], data=b"forged", **arguments).status_code == 422
    assert requests.put(action["href"], data=DATA, **arguments).status_code == 200
    assert "actions" not in batch(host, access, "upload").json()["objects"][0]

    access = json.loads(authenticate(host, ada_key, f"/{full_name}.git", "download").stdout)
    action = batch(host, access, "download").json()["objects"][0]["actions"]["download"]
    assert requests.get(action["href"], headers=action["header"], verify=host.ca_file, timeout=10).content == DATA
    assert requests.get(action["href"], verify=host.ca_file, timeout=10).status_code == 404
    assert batch(host, access, "upload").status_code == 404


def test_a_deploy_key_that_only_reads_opens_its_repository_for_reading(
    host: GitHost, full_name: str, tmp_path: Path
) -> None:
    owner, _, name = full_name.partition("/")
    repository, public = host.store.repository(owner, name), make_key(tmp_path / "key")
    assert repository
    host.store.add_deploy_key(repository, title="Sluice", key=public, read_only=True, added_by="ada")
    host.add_lfs_object(full_name, DATA)
    other = host.create_repository("acme/other", admins=["ada"]).full_name

    access = json.loads(authenticate(host, tmp_path / "key", f"{full_name}.git", "download").stdout)

    assert "actions" in batch(host, access, "download").json()["objects"][0]
    elsewhere = access | {"href": access["href"].replace(full_name, other)}
    assert batch(host, elsewhere, "download").status_code == 404
    for arguments, reason in (
        ((f"{full_name}.git", "upload"), "marked as read only"),
        ((f"{other}.git", "download"), "Repository not found"),
        ((f"{full_name}.git", "wat"), "ERROR"),
    ):
        refused = authenticate(host, tmp_path / "key", *arguments)
        assert refused.returncode == 128
        assert reason in refused.stderr

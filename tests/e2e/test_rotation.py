"""The SSH key rotated while pushes come in: no fetch fails, whatever dies or refuses meanwhile."""

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_crashes import kill
from tests.e2e.world import FINISHED, Clone, World, until

pytestmark = pytest.mark.sandbox

# The calls that a rotation makes to the provider, in their order.
CALLS = [("POST", "/keys"), ("DELETE", "/keys/")]


@contextmanager
def pushes(world: World, integration: dict[str, Any], clone: Clone, *, every: float = 1) -> Iterator[None]:
    """A push every second, or so many; afterwards each of them has to be stored."""
    commits: list[str] = []
    done = threading.Event()

    def push() -> None:
        while not done.is_set():
            commits.append(clone.commit(f"Push {len(commits)}", data=str(len(commits))))
            clone.push(f"HEAD:refs/heads/p{len(commits)}")
            done.wait(every)

    pusher = threading.Thread(target=push)
    pusher.start()
    try:
        yield
    finally:
        done.set()
        pusher.join()
    repository = str(world.get(f"/repositories/{integration['repository']}/")["full_name"])
    answers = until(lambda: answered(world, repository, commits), "the answers to all webhooks", seconds=90)
    assert 401 not in answers.values(), "a webhook was rejected"
    # One that the host gave up waiting for, as a machine with much to do may make it, is no fetch that failed.
    commits = [commit for commit in commits if answers[commit] in {200, 202}]
    assert commits
    for commit in commits:
        [delivery] = until(lambda commit=commit: stored(world, integration, commit), f"commit {commit}", seconds=120)
        assert not [each["error"] for each in delivery["attempts"] if each["error"]], delivery["attempts"]


def answered(world: World, repository: str, commits: list[str]) -> dict[str, int]:
    """Commit to what its webhook was answered; empty until all of them were."""
    sent = [each for each in world.sandbox.git.hook_deliveries(repository) if each.event == "push"]
    found = {each.request_payload["after"]: each.status_code for each in sent}
    return {commit: found[commit] for commit in commits} if found.keys() >= set(commits) else {}


def stored(world: World, integration: dict[str, Any], commit: str) -> list[dict[str, Any]]:
    return [one for one in world.deliveries(integration, f"?commit={commit}") if one["status"] == "stored"]


def fingerprints(world: World, integration: dict[str, Any]) -> dict[str, str]:
    """Fingerprint to state, of all keys that the panel knows of the integration."""
    rows = world.get(f"/ssh-keys/?integration={integration['id']}")["results"]
    return {row["fingerprint"]: row["state"] for row in rows}


def current(world: World, integration: dict[str, Any]) -> str:
    return next(key for key, state in fingerprints(world, integration).items() if state == "current")


def at_host(world: World, repository: str) -> list[str]:
    return [key.fingerprint for key in world.sandbox.git.deploy_keys(repository)]


def rotate(world: World, integration: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = world.post(f"/integrations/{integration['id']}/rotate-ssh-key/")
    return operation


@pytest.fixture(scope="module")
def mirrored(world: World) -> tuple[str, Clone, dict[str, Any]]:
    """A repository that is pulled, with its clone and integration."""
    repository = world.make_repository()
    clone = world.clone(repository)
    return repository, clone, world.provisioned(repository, method="git_pull", refs=["**"])


def test_no_fetch_fails_while_the_key_is_rotated_and_the_old_one_opens_nothing_afterwards(
    world: World, mirrored: tuple[str, Clone, dict[str, Any]]
):
    repository, clone, integration = mirrored
    old, old_private = current(world, integration), private_key(world, integration)
    assert opens(world, repository, old_private)
    with pushes(world, integration, clone):
        ended = world.finished(rotate(world, integration))
    assert (ended["status"], ended["problem"]) == ("succeeded", "")
    new = current(world, integration)
    assert new != old
    assert at_host(world, repository) == [new]
    assert fingerprints(world, integration)[old] == "retired"
    assert not opens(world, repository, old_private)
    assert opens(world, repository, private_key(world, integration))


def private_key(world: World, integration: dict[str, Any]) -> str:
    """The key that the stack fetches with, as only its own account may read it."""
    [stack] = world.get(f"/stacks/?integration={integration['id']}")["results"]
    arn = world.get(f"/stacks/{stack['id']}/")["outputs"]["SSHKeySecretArn"]
    value = json.loads(world.aws("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    return str(value["current"]["private_key"])


def opens(world: World, repository: str, private: str) -> bool:
    """Whether git may read the repository with this key and no other."""
    git = world.sandbox.git
    with tempfile.TemporaryDirectory() as folder:
        key, hosts = Path(folder, "key"), Path(folder, "known_hosts")
        key.write_text(private)
        key.chmod(0o600)
        hosts.write_text(git.known_hosts_line + "\n")
        ssh = f"ssh -F none -i {key} -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile={hosts}"
        done = subprocess.run(
            ["git", "ls-remote", git.ssh_url(repository)],
            env={"PATH": os.environ["PATH"], "HOME": folder, "GIT_SSH_COMMAND": f"{ssh} -o BatchMode=yes"},
            capture_output=True,
            check=False,
        )
    assert done.returncode == 0 or b"denied" in done.stderr.lower() or b"not found" in done.stderr.lower(), done.stderr
    return done.returncode == 0


def test_no_fetch_fails_when_the_worker_is_killed_at_every_step(
    world: World, mirrored: tuple[str, Clone, dict[str, Any]]
):
    repository, clone, integration = mirrored
    old = current(world, integration)
    seen: set[str] = set()
    with pushes(world, integration, clone):
        operation = rotate(world, integration)

        def look() -> bool:
            now = world.get(f"/operations/{operation['id']}/")
            if now["status"] in FINISHED:
                return True
            if now["step"] and now["step"] not in seen:
                seen.add(now["step"])
                kill(world, "worker")
            return False

        until(look, "the rotation to end", seconds=240)
    assert world.finished(operation)["status"] == "succeeded"
    assert len(seen) > 1
    assert at_host(world, repository) == [current(world, integration)] != [old]


@pytest.mark.parametrize("status", [500, 403, 429])
def test_no_fetch_fails_when_the_provider_has_a_bad_moment_at_every_call(
    world: World, mirrored: tuple[str, Clone, dict[str, Any]], status: int
):
    repository, clone, integration = mirrored
    old = current(world, integration)
    for method, path in CALLS:
        world.sandbox.git.faults.add(status, method, f"/{repository}{path}", retry_after=1 if status == 429 else None)
    with pushes(world, integration, clone):
        ended = world.finished(rotate(world, integration))
    assert world.sandbox.git.faults.clear() == 0
    new = current(world, integration)
    assert ended["status"] == "succeeded"
    assert new != old
    assert new in at_host(world, repository)
    if status == 403:
        # What the provider forbids is told, and the check tries it again.
        assert old in ended["problem"]
    else:
        assert at_host(world, repository) == [new]


def known_secrets(world: World, integration: dict[str, Any]) -> dict[str, str]:
    """What the stack takes webhooks with."""
    [stack] = world.get(f"/stacks/?integration={integration['id']}")["results"]
    arn = world.get(f"/stacks/{stack['id']}/")["outputs"]["ProviderSecretArn"]
    found: dict[str, str] = json.loads(world.aws("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    return found


def test_no_push_is_rejected_while_the_webhook_secret_is_rotated_and_the_stack_knows_the_new_one_only(
    world: World, mirrored: tuple[str, Clone, dict[str, Any]]
):
    repository, clone, integration = mirrored
    old = world.webhook_secret(repository)
    with pushes(world, integration, clone, every=2):
        ended = world.finished(world.post(f"/integrations/{integration['id']}/rotate-webhook-secret/"))
    assert (ended["status"], ended["problem"]) == ("succeeded", "")
    new = world.webhook_secret(repository)
    assert new != old
    known = known_secrets(world, integration)
    assert (known["webhook_secret"], known["webhook_secret_previous"]) == (new, "")
    assert [one["reason"] for one in world.deliveries(integration, "?status=rejected")] == []


def test_new_credentials_of_a_provider_reach_its_stacks(world: World):
    git, user = world.sandbox.git, world.env["git_user"]
    repository = world.make_repository()
    clone = world.clone(repository)
    old = git.create_token(user)
    provider = world.add_provider(name=f"Provider {old[-6:]}", credentials={"token": old})
    integration = world.provisioned(repository, provider=provider)
    refused = world.call("PATCH", f"/providers/{provider['id']}/", {"credentials": {"token": "ghp_wrong"}})
    assert (refused.status_code // 100, refused.json()["errors"][0]["field"]) == (4, "credentials.token"), refused.text

    new = git.create_token(user)
    assert world.call("PATCH", f"/providers/{provider['id']}/", {"credentials": {"token": new}}).status_code == 200

    until(lambda: known_secrets(world, integration)["git_token"] == new, "the stack to know it")
    commit = clone.commit("Fetched with the new token", data="1")
    clone.push()
    assert world.ended(integration, commit=commit)["status"] == "stored"

    # Its SSH key, which zip download does not use, is rotated without the provider.
    before = current(world, integration)
    ended = world.finished(rotate(world, integration))
    assert (ended["status"], ended["problem"]) == ("succeeded", "")
    assert current(world, integration) != before
    assert at_host(world, repository) == []


def test_where_nobody_may_change_the_webhook_the_new_secret_waits_to_be_pasted(world: World):
    permissions = {"metadata": "read", "contents": "read"}
    token = world.sandbox.git.create_token(world.env["git_user"], permissions=permissions)
    provider = world.add_provider(name=f"Reader {token[-6:]}", credentials={"token": token})
    repository = world.make_repository()
    world.clone(repository)
    integration = world.provisioned(repository, provider=provider)
    path, ping = f"/integrations/{integration['id']}", {"X-GitHub-Event": "ping"}

    def secret() -> str:
        fields = world.get(f"{path}/manual-steps/")["webhook"]["fill_in"]
        return str({each["name"]: each["value"] for each in fields}["Secret"])

    old = secret()
    assert world.webhook(integration, b"{}", ping | {"X-GitHub-Delivery": "first"}, secret=old).status_code == 200
    operation = world.post(f"{path}/rotate-webhook-secret/")
    until(lambda: world.get(f"/operations/{operation['id']}/")["step"] == "prove_secret", "the wait for a person")
    new = secret()
    assert new != old
    # Until it is pasted, the provider goes on with the old one.
    assert world.webhook(integration, b"{}", ping | {"X-GitHub-Delivery": "second"}, secret=old).status_code == 200
    assert world.get(f"/operations/{operation['id']}/")["status"] == "running"
    assert world.webhook(integration, b"{}", ping | {"X-GitHub-Delivery": "third"}, secret=new).status_code == 200
    assert world.finished(operation)["status"] == "succeeded"
    assert known_secrets(world, integration)["webhook_secret_previous"] == ""

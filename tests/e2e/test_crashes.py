"""Processes killed with -9 in the middle of the work: it goes on and ends by itself."""

import os
import signal

import pytest

from tests.e2e.world import Clone, World, until

pytestmark = pytest.mark.sandbox


def kill(world: World, service: str) -> None:
    """Kill the whole process group of a service, as the kernel's memory killer would, and wait until it is back."""
    pid = world.sandbox.pid(service)
    assert pid is not None
    os.killpg(os.getpgid(pid), signal.SIGKILL)
    until(lambda: world.sandbox.pid(service) not in {None, pid}, f"{service} to come back")


def test_provisioning_survives_the_worker_killed_at_every_step(world: World, repository: str, clone: Clone):
    integration = world.add_integration(repository, method="git_pull")
    operation = world.post(f"/integrations/{integration['id']}/provision/")
    seen: set[str] = set()

    def look() -> bool:
        now = world.get(f"/operations/{operation['id']}/")
        if now["status"] in {"succeeded", "failed", "cancelled"}:
            return True
        if now["step"] not in seen:
            seen.add(now["step"])
            kill(world, "worker")
        return False

    until(look, "the operation to end", seconds=240)
    assert world.finished(operation)["status"] == "succeeded"
    assert len(seen) > 1
    assert len(world.sandbox.git.hooks(repository)) == 1
    assert len(world.sandbox.git.deploy_keys(repository)) == 1
    commit = clone.commit("After the crashes", data="1")
    clone.push()
    assert world.ended(integration, commit=commit)["status"] == "stored"


def test_push_survives_the_worker_killed(world: World, repository: str, clone: Clone):
    integration = world.provisioned(repository)
    commit = clone.commit("Pushed while things die", data="1")
    clone.push()
    until(
        lambda: [d for d in world.sandbox.git.hook_deliveries(repository) if d.event == "push" and d.status_code],
        "the acknowledgement",
    )
    kill(world, "worker")
    delivery = world.ended(integration, commit=commit, seconds=120)
    assert delivery["status"] == "stored", delivery["reason"]
    assert len([a for a in world.artifacts(integration) if a["commit"] == commit]) == 1

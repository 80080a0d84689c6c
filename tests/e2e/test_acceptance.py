"""The acceptance run, end to end: what it is on AWS, it is on the sandbox; nothing is left of it, however it ends."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
import responses

from acceptance.aws import Account
from acceptance.clean_up import CleanUp
from acceptance.client import Panel
from acceptance.run import Run
from acceptance.steps import Steps
from tests.acceptance.panel_over_http import BASE, PanelOverHttp
from tests.e2e.world import Clone, World, until

pytestmark = pytest.mark.sandbox
ROOT = Path(__file__).parents[2]


def start(world: World, repository: str, state: Path, *flags: str) -> subprocess.Popen[str]:
    environment: dict[str, str] = {
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        "SLUICE_TOKEN": world.token,
        "SLUICE_ACCEPTANCE_GIT_TOKEN": world.git_token,
        **world.env["aws"],
    }
    given = {
        "--panel": world.env["api_url"],
        "--repository": repository,
        "--kind": "github_enterprise",
        "--provider-url": world.env["git_url"],
        "--ca-file": world.env["git_ca_file"],
        "--ssh-port": str(world.env["git_ssh_port"]),
        "--state": str(state),
        "--poll": "0.2",
    }
    command = [sys.executable, "-m", "acceptance", "--yes", *(part for pair in given.items() for part in pair), *flags]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def end(process: subprocess.Popen[str], *, seconds: float = 300) -> str:
    try:
        return process.communicate(timeout=seconds)[0]
    finally:
        process.kill()


class KeepsRoles(Account):
    """Leaves the stacks of roles alone, which a panel needs to delete the rest."""

    def stacks(self) -> list[str]:
        return [name for name in super().stacks() if name.startswith("sluice-")]


def account(world: World) -> Account:
    """The account's owner on the local AWS."""
    env = world.env["aws"]
    session = boto3.Session(
        region_name=env["AWS_DEFAULT_REGION"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    )
    return KeepsRoles(session=session, endpoint=env["AWS_ENDPOINT_URL"])


def stamp_of(output: str) -> str:
    found = re.search(r"acceptance-([0-9a-f]{8})", output)
    assert found, output
    return found[1]


def left_of(world: World, repository: str, stamp: str) -> Mapping[str, Any]:
    """What there is of a run, by asking everybody who could have something of it."""
    pages = world.aws("cloudformation").get_paginator("describe_stacks").paginate()
    stacks = [each["StackName"] for page in pages for each in page["Stacks"]]
    buckets = [each["Name"] for each in world.aws("s3").list_buckets()["Buckets"]]
    roles = [each["RoleName"] for each in world.aws("iam").list_roles()["Roles"]]
    named = {
        path: [each["name"] for each in world.get(f"/{path}/?page_size=100")["results"]]
        for path in ("integrations", "providers", "aws-accounts")
    }
    found = {
        **named,
        "stacks": stacks,
        "buckets": buckets,
        "roles": roles,
        "branches": [each["name"] for each in world.git_api("GET", f"/repos/{repository}/branches")],
    }
    mine = {what: [name for name in names if stamp in name] for what, names in found.items()}
    mine["webhooks"] = world.sandbox.git.hooks(repository)
    mine["keys"] = world.sandbox.git.deploy_keys(repository)
    return {what: names for what, names in mine.items() if names}


def test_it_walks_reports_and_leaves_nothing(world: World, repository: str, clone: Clone, tmp_path: Path):
    process = start(world, repository, tmp_path)
    output = end(process)

    assert process.returncode == 0, output
    stamp = stamp_of(output)
    assert left_of(world, repository, stamp) == {}
    assert [path.name for path in tmp_path.iterdir()] == [f"report-{stamp}.md"]
    report = (tmp_path / f"report-{stamp}.md").read_text()
    assert report.startswith("# Acceptance run: all of it worked\n")
    assert report.count("Delivered, and equal to the commit") == 4  # two pushes by two methods
    assert "Rotated the SSH key" in report
    assert report.endswith("## What is left\n\nNothing.\n")
    for private in (repository, world.token, world.git_token, world.env["api_url"]):
        assert private not in report
    assert world.token not in output
    assert world.git_token not in output


def test_it_deploys_and_leaves_nothing(world: World, repository: str, clone: Clone, tmp_path: Path):
    process = start(world, repository, tmp_path, "--deployer", "codedeploy", "--deployer", "ecs")
    output = end(process, seconds=600)

    assert process.returncode == 0, output
    stamp = stamp_of(output)
    assert left_of(world, repository, stamp) == {}
    report = (tmp_path / f"report-{stamp}.md").read_text()
    assert report.startswith("# Acceptance run: all of it worked\n")
    for each in (
        "Deployed by CodeDeploy",
        "Rolled back by itself",
        "Redeployed the older artifact",
        "Deployed by the pipeline",
        "Failed at its build",
        "Deployed it once more",
    ):
        assert f"| ok | {each}" in report
    vpc = world.aws("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    assert vpc in output


def test_clean_up_removes_stacks_of_deployers_that_the_panel_lost(
    world: World, repository: str, clone: Clone, tmp_path: Path
):
    process = start(world, repository, tmp_path, "--method", "git_pull", "--deployer", "ecs")
    cloudformation = world.aws("cloudformation")

    def running() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return any(
            each["StackName"].startswith("sluice-acceptance-") and each["StackName"].endswith("-ecs-service")
            for page in cloudformation.get_paginator("describe_stacks").paginate()
            for each in page["Stacks"]
            if each["StackStatus"] == "CREATE_COMPLETE"
        )

    until(running, "the service is there", seconds=300)
    process.kill()
    stamp = stamp_of(end(process))
    run = Run(stamp, remote=world.sandbox.git.ssh_url(repository), repository=repository)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        PanelOverHttp(mocked)  # one that lost everything
        git = {"GIT_SSH_COMMAND": world.env["git_ssh_command"]}
        steps = Steps(lambda line: None)
        assert CleanUp(Panel(BASE, ""), run, aws=account(world), git=git, steps=steps).remove() == []
    left = left_of(world, repository, stamp)
    assert left.keys() == {"integrations", "providers", "aws-accounts", "roles", "stacks", "webhooks", "keys"}, left
    assert left["roles"] == left["stacks"] == [run.role]

    # The panel that lost nothing goes on with what is left.
    cleaning = start(world, repository, tmp_path, "--clean-up")
    output = end(cleaning, seconds=600)
    assert cleaning.returncode == 0, output
    assert left_of(world, repository, stamp) == {}


def test_an_interrupted_run_leaves_nothing(world: World, repository: str, clone: Clone, tmp_path: Path):
    process = start(world, repository, tmp_path, "--method", "git_pull")

    def creating() -> bool:
        assert process.poll() is None, process.communicate()[0]
        pages = world.aws("cloudformation").get_paginator("describe_stacks").paginate()
        return any(each["StackName"].startswith("sluice-acceptance-") for page in pages for each in page["Stacks"])

    until(creating, "the stack is being made")
    process.send_signal(signal.SIGINT)
    output = end(process)

    assert process.returncode == 130, output
    assert left_of(world, repository, stamp_of(output)) == {}
    [report] = tmp_path.glob("report-*.md")
    assert report.read_text().startswith("# Acceptance run: interrupted\n")


def test_clean_up_removes_what_a_killed_run_left(world: World, repository: str, clone: Clone, tmp_path: Path):
    process = start(world, repository, tmp_path, "--method", "zip_download")
    until(lambda: bool(world.sandbox.git.hooks(repository)), "the webhook is there")
    process.kill()
    stamp = stamp_of(end(process))
    assert left_of(world, repository, stamp).keys() >= {"integrations", "stacks", "webhooks", "branches"}

    for _ in range(2):  # the second finds nothing
        cleaning = start(world, repository, tmp_path, "--clean-up")
        output = end(cleaning)
        assert cleaning.returncode == 0, output
        assert left_of(world, repository, stamp) == {}
    assert "No run left anything." in output
    assert list(tmp_path.glob("*.json")) == []

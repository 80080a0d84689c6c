"""The demo: the journey of the acceptance run at the git host of `make up`, with what only that host can tell."""

import secrets
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3

from acceptance.aws import Account
from acceptance.client import Client, Panel
from acceptance.errors import AcceptanceError, StepFailed
from acceptance.journey import Journey, Push, Watch
from acceptance.network import pick
from acceptance.pace import Pace
from acceptance.run import Run
from acceptance.settings import DEPLOYERS, METHODS, Settings
from acceptance.steps import Steps
from acceptance.working_copy import WorkingCopy
from sandbox.errors import SandboxError
from sandbox.state import StateDir

_OWNER = "acme"
_POLL_SECONDS = 0.1
_PACE = Pace(role=10, provision=180, deliver=60, deploy=60)


class _DemoRun(Run):
    """Names that stay: nothing of a demo is removed."""

    __slots__ = ()

    @property
    def branch(self) -> str:
        return "main"

    @property
    def title(self) -> str:
        return f"Demo {self.stamp}"

    @property
    def role(self) -> str:
        return f"SluiceDemo-{self.stamp}"

    def integration(self, method: str) -> str:
        return f"demo-{self.stamp}-{method}"


def walk(state: StateDir, say: Callable[[str], None]) -> int:
    """Walk the journey and return the exit status: 1 where a step failed."""
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="sluice-demo-") as directory:
            _walk(state, say, Path(directory))
    except (AcceptanceError, SandboxError) as error:
        say(f"\nThe demo failed: {error}")
        return 1
    say(f"\nAll of it worked, in {time.monotonic() - began:.1f} s.")
    return 0


def _walk(state: StateDir, say: Callable[[str], None], directory: Path) -> None:
    env, known = state.env(), state.secrets()
    run = _DemoRun(secrets.token_hex(3))  # fresh names, so that it may be walked again
    settings = _settings(env, known, run)
    git = Client(env["git_api_url"], settings.git_token, env["git_ca_file"])
    steps = Steps(say)
    aws = _account(env["aws"])
    there = aws.networks()
    with steps.step("Made a repository at the git host") as note:
        git.post(f"/orgs/{_OWNER}/repos", {"name": settings.repository.partition("/")[2], "private": True})
        note(settings.repository)
    journey = Journey(
        Panel(settings.panel, settings.panel_token, poll=settings.poll),
        settings,
        run,
        aws=aws,
        steps=steps,
        network=pick(vpcs=there["vpcs"], subnets=there["subnets"], region=aws.region),
        watch=_GitHost(git, settings.repository),
        pace=_PACE,
    )
    remote = settings.remote()
    integrations = journey.walk(WorkingCopy(directory / "copy", remote, {"GIT_SSH_COMMAND": env["git_ssh_command"]}))
    say("")
    for method, integration in integrations.items():
        say(f"     {method:<13} {env['panel_url']}/integrations/{integration['id']}/")


def _settings(env: dict[str, Any], known: dict[str, str], run: Run) -> Settings:
    repository = f"{_OWNER}/demo-{run.stamp}"
    return Settings(
        panel=env["api_url"],
        panel_token=known.get("api_token", ""),
        git_token=known["git_token"],
        repository=repository,
        kind="github_enterprise",
        provider_url=env["git_url"],
        provider="",
        ca_file=env["git_ca_file"],
        ssh_port=env["git_ssh_port"],
        git_user="",
        push_url=f"ssh://git@127.0.0.1:{env['git_ssh_port']}/{repository}.git",
        account="",
        region=env["aws"]["AWS_DEFAULT_REGION"],
        methods=tuple(METHODS),
        deployers=DEPLOYERS,
        vpc="",
        subnets="",
        launch_type="EC2",
        approval_email="ops@example.com",
        state=Path(),
        poll=_POLL_SECONDS,
        yes=True,
        clean_up=False,
    )


def _account(environment: dict[str, str]) -> Account:
    session = boto3.Session(
        region_name=environment["AWS_DEFAULT_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    return Account(session=session, endpoint=environment["AWS_ENDPOINT_URL"])


class _GitHost(Watch):
    """Asks the git host what it saw."""

    def __init__(self, git: Client, repository: str) -> None:
        self._git, self._repository = git, repository

    def stored(self, push: Push, integration: dict[str, Any], delivery: dict[str, Any]) -> str:
        seen = time.time() - push.began_at
        stored = datetime.fromisoformat(delivery["updated_at"]).timestamp() - push.began_at
        took = self._acknowledgement(integration, delivery["provider_delivery_id"])
        return (
            f"acknowledged in {took * 1000:.0f} ms; since the push began: artifact {stored:.2f} s, "
            f"in the panel {seen:.2f} s"
        )

    def rotated(self, integration: dict[str, Any]) -> str:
        there = [key["key"] for key in self._git.get(f"/repos/{self._repository}/keys")]
        new = integration["ssh_public_key"].rsplit(" ", 1)[0]
        if there != [new]:
            raise StepFailed(f"The git host has the keys {there}, and {new} is in use.")
        return "the git host has the new one only"

    def _acknowledgement(self, integration: dict[str, Any], guid: str) -> float:
        """How long the git host waited for the webhook's answer to a delivery, in seconds."""
        hooks = self._git.get(f"/repos/{self._repository}/hooks")
        hook = next(hook for hook in hooks if hook["config"]["url"] == integration["webhook_url"])
        for sent in self._git.get(f"/repos/{self._repository}/hooks/{hook['id']}/deliveries"):
            if sent["guid"] == guid:
                if sent["status_code"] != 202:
                    raise StepFailed(f"The webhook answered {sent['status_code']}.")
                return float(sent["duration"])
        raise StepFailed(f"The git host knows nothing of delivery {guid}.")

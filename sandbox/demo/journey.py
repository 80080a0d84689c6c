"""The steps of the demo."""

import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from acceptance.client import Client, Panel, download
from acceptance.errors import AcceptanceError, StepFailed
from acceptance.steps import Steps
from acceptance.working_copy import WorkingCopy, differences, read_zip
from sandbox import connecting
from sandbox.aws import ACCOUNT_ID
from sandbox.demo.deploying import Deploying
from sandbox.errors import SandboxError
from sandbox.state import StateDir

METHODS = ("zip_download", "git_pull")
_OWNER = "acme"
_PROVISION_SECONDS = 180.0
_DELIVERY_SECONDS = 60.0
_POLL_SECONDS = 0.1


def walk(state: StateDir, say: Callable[[str], None]) -> int:
    """Walk the journey and return the exit status: 1 where a step failed."""
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="sluice-demo-") as directory:
            _Journey(state, say).walk(Path(directory))
    except (AcceptanceError, SandboxError) as error:
        say(f"\nThe demo failed: {error}")
        return 1
    say(f"\nAll of it worked, in {time.monotonic() - began:.1f} s.")
    return 0


@dataclass(slots=True)
class _Push:
    """A push and what came of it, each by its method. Times in seconds."""

    commit: str
    pushed_at: float = 0.0
    artifacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    acknowledged: dict[str, float] = field(default_factory=dict)
    stored: dict[str, float] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)


class _Journey:
    def __init__(self, state: StateDir, say: Callable[[str], None]) -> None:
        env, known = state.env(), state.secrets()
        self._env = env
        self._say = say
        self._stamp = secrets.token_hex(3)  # fresh names, so that it may be walked again
        self._step = Steps(say).step
        self._panel = Panel(env["api_url"], known.get("api_token", ""), poll=_POLL_SECONDS)
        self._git_token = known["git_token"]
        self._git = Client(env["git_api_url"], self._git_token, env["git_ca_file"])
        self._full_name = f"{_OWNER}/demo-{self._stamp}"

    def walk(self, directory: Path) -> None:
        """Every step, in its order."""
        with self._step("Signed in to the API") as note:
            me = self._panel.get("/me/")
            note(f"{me['user']}, {me['role']} of {me['team']['name']}")
        copy = self._make_repository(directory)
        repository = self._add_repository(self._add_provider())
        account = self._add_account()
        integrations = {method: self._add_integration(method, repository, account) for method in METHODS}
        self._provision(integrations)
        first = self._push(copy, integrations, "A commit with everything that a zip could lose", cold=True)
        self._compare(copy, first)
        self._rotate_key(integrations)
        copy.write("VERSION", "2\n")
        second = self._push(copy, integrations, "A second commit, everything warm", cold=False)
        self._compare(copy, second)
        deploying = Deploying(self._panel, self._env["aws"], self._step, self._finished)
        deploying.with_codedeploy(copy, integrations["zip_download"])
        deploying.with_ecs(copy, integrations["git_pull"])
        self._say("")
        for method, integration in integrations.items():
            self._say(f"     {method:<13} {self._env['panel_url']}/integrations/{integration['id']}/")

    def _make_repository(self, directory: Path) -> WorkingCopy:
        with self._step("Made a repository at the git host") as note:
            owner, _, name = self._full_name.partition("/")
            self._git.post(f"/orgs/{owner}/repos", {"name": name, "private": True})
            remote = f"ssh://git@127.0.0.1:{self._env['git_ssh_port']}/{self._full_name}.git"
            copy = WorkingCopy(directory / "copy", remote, {"GIT_SSH_COMMAND": self._env["git_ssh_command"]})
            copy.write("README.md", "# Demo\n")
            copy.commit("First commit, before anything watches")
            copy.push()
            note(self._full_name)
        return copy

    def _add_provider(self) -> dict[str, Any]:
        with self._step("Added the git host as a provider") as note:
            provider: dict[str, Any] = self._panel.post(
                "/providers/",
                {
                    "kind": "github_enterprise",
                    "name": f"Sandbox git host {self._stamp}",
                    "base_url": self._env["git_url"],
                    "credentials": {"token": self._git_token},
                    "ca_bundle": Path(self._env["git_ca_file"]).read_text(),
                    "ssh_port": self._env["git_ssh_port"],
                },
            )
            note(provider["base_url"])
        with self._step("Checked its credentials") as note:
            checked = self._panel.post(f"/providers/{provider['id']}/check/")
            if checked["check_error"] or checked["missing_scopes"]:
                raise StepFailed(f"The check says: {checked['check_error']} {checked['missing_scopes']}")
            note(f"as {checked['login']}")
        return provider

    def _add_repository(self, provider: dict[str, Any]) -> dict[str, Any]:
        with self._step("Found the repository and added it") as note:
            name = self._full_name.partition("/")[2]
            found = self._panel.get(f"/providers/{provider['id']}/repositories/", q=name)["results"]
            if self._full_name not in [one["full_name"] for one in found]:
                raise StepFailed(f"The provider's list does not have {self._full_name}: {found}")
            body = {"provider": provider["id"], "full_name": self._full_name}
            repository: dict[str, Any] = self._panel.post("/repositories/", body)
            note(f"default branch {repository['default_branch']}")
        return repository

    def _add_account(self) -> dict[str, Any]:
        with self._step("Added an AWS account by a role of the access template, and checked it") as note:
            region = self._env["aws"]["AWS_DEFAULT_REGION"]
            role = f"arn:aws:iam::{ACCOUNT_ID}:role/SluiceAccess{self._stamp}"
            body = {"name": f"Local AWS {self._stamp}", "method": "role", "role_arn": role, "default_region": region}
            account = self._panel.post("/aws-accounts/", body)
            connecting.launch(self._env["aws"], self._panel.get(f"/aws-accounts/{account['id']}/access-template/"))
            checked: dict[str, Any] = self._panel.post(f"/aws-accounts/{account['id']}/check/")
            if checked["check_error"]:
                raise StepFailed(f"The check says: {checked['check_error']}")
            note(f"{checked['account_id']}, {checked['caller_arn']}")
        return checked

    def _add_integration(self, method: str, repository: dict[str, Any], account: dict[str, Any]) -> dict[str, Any]:
        with self._step(f"Added an integration: {method}"):
            integration: dict[str, Any] = self._panel.post(
                "/integrations/",
                {
                    "name": f"demo-{self._stamp}-{method.partition('_')[0]}",
                    "repository": repository["id"],
                    "method": method,
                    "refs": ["main"],
                    "deploy_ref": "main",
                    "aws_account": account["id"],
                    "region": account["default_region"],
                    "application": "demo",
                    "environment": "sandbox",
                },
            )
        return integration

    def _provision(self, integrations: dict[str, dict[str, Any]]) -> None:
        with self._step("Asked for both to be provisioned"):
            operations = {
                method: self._panel.post(f"/integrations/{integration['id']}/provision/")
                for method, integration in integrations.items()
            }
        for method, operation in operations.items():
            with self._step(f"Provisioned: {method}") as note:
                self._finished(operation, method)
                integration = integrations[method] = self._panel.get(f"/integrations/{integrations[method]['id']}/")
                stack = integration["stacks"][0]
                if stack["aws_status"] not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
                    raise StepFailed(f"{stack['name']} is {stack['aws_status']}.")
                if integration["webhook_state"] != "verified":
                    raise StepFailed(f"Its webhook is {integration['webhook_state']}: {integration['webhook_problem']}")
                if method == "git_pull" and not integration["ssh_public_key"].startswith("ssh-ed25519 "):
                    raise StepFailed("It has no SSH key.")
                note(f"{stack['name']} {stack['aws_status']}, webhook {integration['webhook_state']}")

    def _finished(self, operation: dict[str, Any], method: str) -> None:
        self._panel.succeeded(operation, method, _PROVISION_SECONDS)

    def _rotate_key(self, integrations: dict[str, dict[str, Any]]) -> None:
        with self._step("Rotated the SSH key: git_pull") as note:
            before = integrations["git_pull"]
            self._finished(self._panel.post(f"/integrations/{before['id']}/rotate-ssh-key/"), "git_pull")
            after = integrations["git_pull"] = self._panel.get(f"/integrations/{before['id']}/")
            there = [key["key"] for key in self._git.get(f"/repos/{self._full_name}/keys")]
            new = after["ssh_public_key"].rsplit(" ", 1)[0]
            if after["ssh_public_key"] == before["ssh_public_key"] or there != [new]:
                raise StepFailed(f"The git host has the keys {there}, and {new} is in use.")
            note("the git host has the new one only")

    def _push(self, copy: WorkingCopy, integrations: dict[str, dict[str, Any]], message: str, *, cold: bool) -> _Push:
        if cold:
            copy.write_everything()
        push = _Push(copy.commit(message))
        with self._step(f"Pushed over SSH: {message.partition(',')[0].lower()}") as note:
            push.pushed_at = time.time()
            copy.push()
            note(push.commit[:7])
        for method, integration in integrations.items():
            with self._step(f"Delivered and stored: {method}") as note:
                self._await_artifact(push, method, integration)
                note(
                    f"acknowledged in {push.acknowledged[method] * 1000:.0f} ms; since the push began:"
                    f" artifact {push.stored[method]:.2f} s, in the panel {push.seen[method]:.2f} s"
                )
        return push

    def _await_artifact(self, push: _Push, method: str, integration: dict[str, Any]) -> None:
        delivery = self._panel.stored(integration, push.commit, method, _DELIVERY_SECONDS)
        push.seen[method] = time.time() - push.pushed_at
        push.stored[method] = datetime.fromisoformat(delivery["updated_at"]).timestamp() - push.pushed_at
        push.acknowledged[method] = self._acknowledgement(integration, delivery["provider_delivery_id"])
        push.artifacts[method] = self._panel.get(f"/artifacts/{delivery['artifacts'][0]}/")

    def _acknowledgement(self, integration: dict[str, Any], guid: str) -> float:
        """How long the git host waited for the webhook's answer to a delivery, in seconds."""
        hooks = self._git.get(f"/repos/{self._full_name}/hooks")
        hook = next(hook for hook in hooks if hook["config"]["url"] == integration["webhook_url"])
        for sent in self._git.get(f"/repos/{self._full_name}/hooks/{hook['id']}/deliveries"):
            if sent["guid"] == guid:
                if sent["status_code"] != 202:
                    raise StepFailed(f"The webhook answered {sent['status_code']}.")
                return float(sent["duration"])
        raise StepFailed(f"The git host knows nothing of delivery {guid}.")

    def _compare(self, copy: WorkingCopy, push: _Push) -> None:
        expected = copy.tree(push.commit)
        for method, artifact in push.artifacts.items():
            with self._step(f"Downloaded and compared: {method}") as note:
                data = download(self._panel.get(f"/artifacts/{artifact['id']}/download/")["url"])
                wrong = differences(expected, read_zip(data))
                if wrong:
                    raise StepFailed(f"{artifact['key']} is not the commit's tree: {'; '.join(wrong)}")
                if artifact["commit"] != push.commit:
                    raise StepFailed(f"{artifact['key']} names commit {artifact['commit']}.")
                note(f"{len(expected)} entries equal, {len(data):,} bytes, {artifact['key']}")

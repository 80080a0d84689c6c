"""The steps of a run, up to where everything works. `make demo` walks them too, at the git host of `make up`."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceptance.aws import Account
from acceptance.client import Panel, download
from acceptance.deploying import Deploying
from acceptance.errors import StepFailed
from acceptance.network import Network
from acceptance.pace import Pace
from acceptance.run import Run
from acceptance.settings import DEPLOYERS, METHODS, Settings
from acceptance.steps import Steps
from acceptance.working_copy import WorkingCopy, differences, read_zip


@dataclass(frozen=True, slots=True)
class Push:
    """A push: its commit, and when it began, in seconds since 1970."""

    commit: str
    began_at: float


class Watch:
    """Looks at a step from the provider's side. What it returns is noted; here nothing."""

    def stored(self, push: Push, integration: dict[str, Any], delivery: dict[str, Any]) -> str:  # noqa: ARG002
        """A push became an artifact. Raises StepFailed."""
        return ""

    def rotated(self, integration: dict[str, Any]) -> str:  # noqa: ARG002
        """The integration has another SSH key. Raises StepFailed."""
        return ""


class Journey:
    """One run's way from a provider to artifacts, and on to deployments.

    Args:
        panel: the panel under test.
        settings: what was asked for.
        run: names.
        aws: makes the role; None where an account of the panel is used.
        steps: take what is done.
        network: where deployers' stacks go; None where there are none.
        remember: takes the run where the clean-up has to know more of it.
        watch: looks at steps from another side.
        pace: how long each may take.
    """

    def __init__(
        self,
        panel: Panel,
        settings: Settings,
        run: Run,
        *,
        aws: Account | None,
        steps: Steps,
        network: Network | None = None,
        remember: Callable[[Run], None] = lambda run: None,  # noqa: ARG005
        watch: Watch | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._panel, self._settings, self._run = panel, settings, run
        self._aws, self._network, self._step = aws, network, steps.step
        self._remember, self._watch, self._pace = remember, watch or Watch(), pace or Pace()

    def walk(self, copy: WorkingCopy) -> dict[str, dict[str, Any]]:
        """Every step, in its order; returns the integrations by their methods. Raises StepFailed."""
        self._sign_in()
        self._first_commit(copy)
        provider = self._provider()
        repository = self._repository(provider)
        account = self._connected_account()
        integrations = {method: self._add(method, repository, account) for method in self._settings.methods}
        self._provision(integrations)
        copy.write_everything()
        self._push(copy, integrations, "A commit with everything that a zip could lose")
        if "git_pull" in integrations:
            self._rotate(integrations)
        copy.write("VERSION", "2\n")
        self._push(copy, integrations, "A second commit, everything warm")
        self._deploy(copy, integrations)
        return integrations

    def _deploy(self, copy: WorkingCopy, integrations: dict[str, dict[str, Any]]) -> None:
        if not self._network:
            return
        chosen = self._settings.deployers
        deploying = Deploying(self._panel, self._network, aws=self._aws, step=self._step, pace=self._pace)
        first, *_, last = [*integrations.values()] * 2
        if "codedeploy" in chosen:
            deploying.with_codedeploy(copy, first)
        if "ecs" in chosen:
            deploying.with_ecs(
                copy,
                last,
                launch_type=self._settings.launch_type,
                approval_email=self._settings.approval_email,
            )

    def _sign_in(self) -> None:
        with self._step("Signed in to the API") as note:
            note(f"as {self._panel.get('/me/')['role']}")

    def _first_commit(self, copy: WorkingCopy) -> None:
        with self._step("Pushed a first commit") as note:
            copy.write("README.md", "# Acceptance\n")
            copy.commit("First commit, before anything watches")
            copy.push()
            note(self._run.branch)

    def _provider(self) -> dict[str, Any]:
        settings = self._settings
        if settings.provider:
            with self._step("Found the provider in the panel"):
                provider = self._named("/providers/", settings.provider)
        else:
            with self._step("Added the provider") as note:
                body: dict[str, Any] = {"kind": settings.kind, "name": self._run.title}
                body["credentials"] = {"token": settings.git_token}
                if settings.provider_url:
                    body |= {"base_url": settings.provider_url, "ssh_port": settings.ssh_port}
                if settings.ca_file:
                    body["ca_bundle"] = Path(settings.ca_file).read_text()
                provider = self._panel.post("/providers/", body)
                note(provider["kind"])
        with self._step("Checked its credentials"):
            checked: dict[str, Any] = self._panel.post(f"/providers/{provider['id']}/check/")
            if checked["check_error"] or checked["missing_scopes"]:
                raise StepFailed(f"The check says: {checked['check_error']} {checked['missing_scopes']}")
        return provider

    def _repository(self, provider: dict[str, Any]) -> dict[str, Any]:
        with self._step("Added the repository") as note:
            there = list(
                self._panel.every("/repositories/", provider=provider["id"], full_name=self._settings.repository)
            )
            if there:
                note("it was there before")
                return there[0]
            note(self._listed(provider))
            self._remember(self._run.with_repository())
            body = {"provider": provider["id"], "full_name": self._settings.repository}
            made: dict[str, Any] = self._panel.post("/repositories/", body)
        return made

    def _listed(self, provider: dict[str, Any]) -> str:
        """What to note of the list that people choose from, which may not have a repository that was made just now."""
        name = self._settings.repository.rpartition("/")[2]
        found = self._panel.get(f"/providers/{provider['id']}/repositories/", q=name)["results"]
        listed = self._settings.repository in [each["full_name"] for each in found]
        return "found in the provider's list" if listed else "not in the provider's list yet"

    def _connected_account(self) -> dict[str, Any]:
        if self._aws is None:
            with self._step("Found the AWS account in the panel"):
                account = self._named("/aws-accounts/", self._settings.account)
        else:
            with self._step("Added the AWS account, its role by the access template"):
                account = self._new_account(self._aws)
        with self._step("Checked that the panel gets in") as note:

            def look() -> Any:
                checked = self._panel.post(f"/aws-accounts/{account['id']}/check/")
                return checked if checked["connected"] else None

            try:
                checked: dict[str, Any] = self._panel.wait_for("AWS to let the panel in", self._pace.role, look)
            except StepFailed as error:
                said = self._panel.get(f"/aws-accounts/{account['id']}/")["check_error"]
                raise StepFailed(f"{error} The last check said: {said}") from None
            note(f"{checked['method']}, {checked['default_region']}")
        return checked

    def _new_account(self, aws: Account) -> dict[str, Any]:
        role = f"arn:{aws.partition()}:iam::{aws.account_id()}:role/{self._run.role}"
        body = {"name": self._run.title, "method": "role", "role_arn": role, "default_region": aws.region}
        account: dict[str, Any] = self._panel.post("/aws-accounts/", body)
        chosen = {each: str(each in self._settings.deployers).lower() for each in DEPLOYERS}
        shown = self._panel.get(f"/aws-accounts/{account['id']}/access-template/", **chosen)
        if "<" in shown["parameters"]["PanelPrincipal"]:
            raise StepFailed(
                "The panel has no AWS credentials of its own, so that no role can trust it: give it some "
                "(docs/operations.md), or connect an account with access keys and name it: --account NAME."
            )
        aws.launch(shown)
        return account

    def _named(self, path: str, name: str) -> dict[str, Any]:
        found = [one for one in self._panel.every(path) if one["name"] == name]
        if not found:
            raise StepFailed(f"The panel has none that is called {name}.")
        return found[0]

    def _add(self, method: str, repository: dict[str, Any], account: dict[str, Any]) -> dict[str, Any]:
        with self._step(f"Added an integration: {method}"):
            integration: dict[str, Any] = self._panel.post(
                "/integrations/",
                {
                    "name": self._run.integration(METHODS[method]),
                    "repository": repository["id"],
                    "method": method,
                    "refs": [self._run.branch],
                    "deploy_ref": self._run.branch,
                    "aws_account": account["id"],
                    "region": self._settings.region or account["default_region"],
                    "application": "acceptance",
                    "environment": "acceptance",
                },
            )
        return integration

    def _provision(self, integrations: dict[str, dict[str, Any]]) -> None:
        operations = {
            method: self._panel.post(f"/integrations/{integration['id']}/provision/?review=false")
            for method, integration in integrations.items()
        }
        for method, operation in operations.items():
            with self._step(f"Provisioned: {method}") as note:
                self._panel.succeeded(operation, method, self._pace.provision)
                integration = integrations[method] = self._again(integrations[method])
                [stack] = integration["stacks"]
                if stack["aws_status"] not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
                    raise StepFailed(f"{stack['name']} is {stack['aws_status']}.")
                if integration["webhook_state"] != "verified":
                    raise StepFailed(f"Its webhook is {integration['webhook_state']}: {integration['webhook_problem']}")
                if method == "git_pull" and integration["ssh_key_state"] != "present":
                    raise StepFailed(f"Its key is {integration['ssh_key_state']}: {integration['ssh_key_problem']}")
                note(f"{stack['aws_status']}, webhook {integration['webhook_state']}")

    def _push(self, copy: WorkingCopy, integrations: dict[str, dict[str, Any]], message: str) -> None:
        with self._step(f"Pushed: {message.lower()}") as note:
            push = Push(copy.commit(message), time.time())
            copy.push()
            note(push.commit[:7])
        expected = copy.tree(push.commit)
        for method, integration in integrations.items():
            with self._step(f"Delivered, and equal to the commit: {method}") as note:
                delivery = self._panel.stored(integration, push.commit, method, self._pace.deliver)
                note(self._watch.stored(push, integration, delivery))
                artifact = self._panel.get(f"/artifacts/{delivery['artifacts'][0]}/")
                data = download(self._panel.get(f"/artifacts/{artifact['id']}/download/")["url"])
                wrong = differences(expected, read_zip(data))
                if wrong or artifact["commit"] != push.commit:
                    raise StepFailed(f"The zip of {artifact['commit']} is not the commit's tree: {'; '.join(wrong)}")
                note(f"{len(expected)} entries, {len(data):,} bytes")

    def _rotate(self, integrations: dict[str, dict[str, Any]]) -> None:
        with self._step("Rotated the SSH key") as note:
            before = integrations["git_pull"]
            operation = self._panel.post(f"/integrations/{before['id']}/rotate-ssh-key/")
            self._panel.succeeded(operation, "the key", self._pace.deliver)
            after = integrations["git_pull"] = self._again(before)
            if after["ssh_public_key"] == before["ssh_public_key"] or after["ssh_key_state"] != "present":
                raise StepFailed(f"The key in use is the old one, or is not there: {after['ssh_key_state']}")
            note(self._watch.rotated(after) or "the provider has the new one")

    def _again(self, integration: dict[str, Any]) -> dict[str, Any]:
        fresh: dict[str, Any] = self._panel.get(f"/integrations/{integration['id']}/")
        return fresh

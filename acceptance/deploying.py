"""The steps with a deployer: its stack, a deployment that works, one that fails, and an older artifact again."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from acceptance import samples
from acceptance.aws import Account
from acceptance.client import Panel
from acceptance.errors import StepFailed
from acceptance.network import Network
from acceptance.pace import Pace
from acceptance.working_copy import WorkingCopy

Step = Callable[[str], AbstractContextManager[Callable[[str], None]]]
_UNFINISHED = {"queued", "deploying"}


class Deploying:
    """Chooses a deployer for an integration, and follows what becomes of pushes.

    Args:
        panel: the panel under test.
        network: where the stacks go.
        aws: tells what a service runs; None where AWS can be looked at by the panel only.
        step: takes what is done.
        pace: how long each may take.
    """

    def __init__(self, panel: Panel, network: Network, *, aws: Account | None, step: Step, pace: Pace) -> None:
        self._panel, self._network, self._aws, self._step, self._pace = panel, network, aws, step, pace
        self._chosen: dict[str, dict[str, dict[str, str]]] = {}
        """Deployers with their parameters, by the integration's id."""

    def with_codedeploy(self, copy: WorkingCopy, integration: dict[str, Any]) -> None:
        """Provision the stack, deploy, fail and be rolled back, and deploy an older artifact again."""
        deployer = "codedeploy"
        self._choose(integration, deployer, {"HealthCheckPort": samples.PORT})
        good = self._push(copy, "Start it", samples.codedeploy())
        with self._step("Deployed by CodeDeploy") as note:
            deployed = self._expect("deployed", self._deployment(integration, deployer, good))
            note(f"{deployed['external_id']} of version {deployed['version_id'][:8]} on {deployed['instances']}")
        bad = self._push(copy, "Break the start script", samples.codedeploy(broken=True))
        with self._step("Failed at its hook script") as note:
            failed = self._expect("rolled_back", self._deployment(integration, deployer, bad))
            steps = self._panel.get(f"/deployments/{failed['id']}/steps/", page_size=200)["results"]
            logs = [each["log_tail"] for each in steps if samples.COMPLAINT in each["log_tail"]]
            if not logs:
                raise StepFailed(f"The script's last lines are not there: {[each['log_tail'] for each in steps]}")
            note(f"{failed['problem'][:60]}; log: {logs[0].splitlines()[-1]}")
        with self._step("Rolled back by itself, as a deployment of its own") as note:
            rollback = self._expect("deployed", self._deployment(integration, deployer, good, trigger="rollback"))
            if rollback["rolls_back"] != failed["id"]:
                raise StepFailed(f"It rolls back {rollback['rolls_back']}, not {failed['id']}.")
            note(rollback["external_id"])
        with self._step("Redeployed the older artifact") as note:
            started = self._panel.post(f"/artifacts/{deployed['artifact']}/redeploy/")
            again = self._expect("deployed", self._deployment(integration, deployer, good, trigger="redeploy"))
            note(f"{again['external_id']} by {started['requested_by']}")

    def with_ecs(
        self, copy: WorkingCopy, integration: dict[str, Any], *, launch_type: str, approval_email: str
    ) -> None:
        """Provision a pipeline, build and deploy, fail a build, and deploy an older artifact again.

        Args:
            launch_type: FARGATE or EC2.
            approval_email: where AWS asks for approvals, which are then given; empty: none is needed.
        """
        deployer = "ecs"
        parameters = {"LaunchType": launch_type}
        if approval_email:
            parameters["SNSTopicEmailAddress"] = approval_email
        self._choose(integration, deployer, parameters)
        good = self._push(copy, "Build an image", samples.ecs())
        if approval_email:
            self._approve_run(integration, good)
        with self._step("Deployed by the pipeline") as note:
            deployed = self._expect("deployed", self._deployment(integration, deployer, good))
            note(self._require_running(integration, good))
        bad = self._push(copy, "Break the Dockerfile", samples.ecs(broken=True))
        with self._step("Failed at its build") as note:
            note(self._expect("failed", self._deployment(integration, deployer, bad))["problem"][:80])
        with self._step("Started the older artifact again"):
            self._panel.post(f"/artifacts/{deployed['artifact']}/redeploy/")
        if approval_email:
            self._approve_run(integration, good, trigger="redeploy")
        with self._step("Deployed it once more") as note:
            self._expect("deployed", self._deployment(integration, deployer, good, trigger="redeploy"))
            note(self._require_running(integration, good))

    def _approve_run(self, integration: dict[str, Any], commit: str, *, trigger: str = "push") -> None:
        with self._step("Waited for an approval, and approved") as note:

            def look() -> Any:
                there = self._deployments(integration, "ecs", commit)
                return [each for each in there if (each["trigger"], each["status"]) == (trigger, "waiting")]

            [waiting] = self._panel.wait_for("the approval", self._pace.deploy, look)
            self._panel.post(f"/deployments/{waiting['id']}/approve/", {"comment": "From the acceptance run"})
            note(waiting["external_id"][:8])

    def _require_running(self, integration: dict[str, Any], commit: str) -> str:
        """What to note of the image that the service runs. Raises StepFailed where it is not the commit's."""
        if self._aws is None:
            return "as the panel says; its stack was not looked at"
        stacks = self._panel.get("/stacks/", integration=integration["id"])["results"]
        [name] = [each["outputs"]["ServiceStackName"] for each in stacks if each["kind"] == "ecs"]
        tag = self._aws.outputs(name).get("ImageTag", "nothing")
        if tag != commit:
            raise StepFailed(f"The service runs {tag}, not {commit}.")
        return f"the service runs {tag[:7]}"

    def _choose(self, integration: dict[str, Any], deployer: str, parameters: dict[str, str]) -> None:
        chosen = self._chosen.setdefault(integration["id"], {})
        chosen[deployer] = self._network.parameters() | parameters
        with self._step(f"Chose {deployer} for {integration['method']}") as note:
            self._panel.patch(
                f"/integrations/{integration['id']}/", {"deployers": list(chosen), "parameters": dict(chosen)}
            )
            note(f"{self._network.vpc}, {', '.join(self._network.subnets)}")
        with self._step(f"Reviewed, approved and provisioned: {deployer}") as note:
            operation = self._panel.post(f"/integrations/{integration['id']}/provision/?review=true")
            note(f"{self._approve(operation)} changes")
            self._panel.succeeded(operation, deployer, self._pace.provision)

    def _approve(self, operation: dict[str, Any]) -> int:
        """Approve whatever the operation asks for, until it asks no more; how many changes that were."""
        approved = 0

        def look() -> Any:
            nonlocal approved
            now = self._panel.get(f"/operations/{operation['id']}/")
            if now["status"] == "waiting":
                approved += len(now["changes"])
                self._panel.post(f"/operations/{operation['id']}/approve/")
                return None
            return now if now["finished_at"] else None

        self._panel.wait_for("the operation", self._pace.provision, look)
        return approved

    def _push(self, copy: WorkingCopy, message: str, files: dict[str, str]) -> str:
        with self._step(f"Pushed: {message.lower()}") as note:
            for name, content in files.items():
                copy.write(name, content)
            commit = copy.commit(message)
            copy.push()
            note(commit[:7])
        return commit

    def _deployments(self, integration: dict[str, Any], deployer: str, commit: str) -> list[dict[str, Any]]:
        found = self._panel.get(f"/integrations/{integration['id']}/deployments/", commit=commit)["results"]
        return [each for each in found if each["deployer"] == deployer]

    def _deployment(
        self, integration: dict[str, Any], deployer: str, commit: str, *, trigger: str = "push"
    ) -> dict[str, Any]:
        """The newest deployment of a commit once it has ended, however it ended."""

        def look() -> Any:
            there = self._deployments(integration, deployer, commit)
            ended = [each for each in there if each["trigger"] == trigger and each["status"] not in _UNFINISHED]
            return ended[0] if ended else None

        what = f"the {trigger} deployment of {commit[:7]}"
        deployment: dict[str, Any] = self._panel.wait_for(what, self._pace.deploy, look)
        return deployment

    @staticmethod
    def _expect(status: str, deployment: dict[str, Any]) -> dict[str, Any]:
        if deployment["status"] != status:
            raise StepFailed(f"It is {deployment['status']}, not {status}: {deployment['problem']}")
        return deployment

"""The part of the demo that deploys: one integration with CodeDeploy, the other with an ECS pipeline."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import boto3

from acceptance.client import Client, wait_for
from acceptance.errors import StepFailed
from acceptance.working_copy import WorkingCopy

Step = Callable[[str], AbstractContextManager[Callable[[str], None]]]
_SECONDS = 60.0
_UNFINISHED = {"queued", "deploying"}
_APPSPEC = """version: 0.0
os: linux
files:
  - source: /
    destination: /srv/demo
hooks:
  ApplicationStart:
    - location: scripts/start.sh
      timeout: 30
"""
_GOOD = "#!/bin/sh\necho started $APPLICATION_NAME\n"
_BAD = "#!/bin/sh\necho the port is taken >&2\nexit 3\n"


_DOCKERFILE = "FROM scratch\nCOPY README.md /\n"


class Deploying:
    """Chooses a deployer for an integration, and follows what becomes of pushes."""

    def __init__(self, panel: Client, aws: dict[str, str], step: Step, finished: Callable[..., None]) -> None:
        self._panel, self._aws, self._step, self._finished = panel, aws, step, finished

    def with_codedeploy(self, copy: WorkingCopy, integration: dict[str, Any]) -> None:
        """Provision the second stack, deploy, fail and be rolled back, and deploy an older artifact again."""
        self._choose(integration, "codedeploy", {**self._network(), "HealthCheckPort": "8080"})
        good = self._push(copy, _GOOD, "Start the demo")
        with self._step("Deployed by CodeDeploy") as note:
            deployed = self._deployment(integration, good)
            self._expect(deployed, "deployed")
            note(f"{deployed['external_id']} of version {deployed['version_id'][:8]} on {deployed['instances']}")
        bad = self._push(copy, _BAD, "Break the start script")
        with self._step("Failed at its hook script") as note:
            failed = self._deployment(integration, bad)
            self._expect(failed, "rolled_back")
            steps = self._panel.get(f"/deployments/{failed['id']}/steps/", page_size=200)["results"]
            logs = [each["log_tail"] for each in steps if each["log_tail"]]
            if not logs or "the port is taken" not in logs[0]:
                raise StepFailed(f"The script's last lines are not there: {logs}")
            note(f"{failed['problem'][:60]}; log: {logs[0].splitlines()[-1]}")
        with self._step("Rolled back by itself, as a deployment of its own") as note:
            rollback = self._deployment(integration, good, trigger="rollback")
            self._expect(rollback, "deployed")
            if rollback["rolls_back"] != failed["id"]:
                raise StepFailed(f"It rolls back {rollback['rolls_back']}, not {failed['id']}.")
            note(rollback["external_id"])
        with self._step("Redeployed the older artifact") as note:
            started = self._panel.post(f"/artifacts/{deployed['artifact']}/redeploy/")
            again = self._deployment(integration, good, trigger="redeploy")
            self._expect(again, "deployed")
            note(f"{again['external_id']} by {started['requested_by']}")

    def with_ecs(self, copy: WorkingCopy, integration: dict[str, Any]) -> None:
        """Provision a pipeline, build, approve and deploy, fail a build, and deploy an older artifact again."""
        self._choose(integration, "ecs", {**self._network(), "SNSTopicEmailAddress": "ops@example.com"})
        good = self._push(copy, _GOOD, "Build an image", Dockerfile=_DOCKERFILE)
        self._approve_run(integration, good)
        with self._step("Deployed by the pipeline") as note:
            deployed = self._deployment(integration, good)
            self._expect(deployed, "deployed")
            note(f"the service runs {self._running_tag(integration)[:7]}")
        bad = self._push(copy, _GOOD, "Break the Dockerfile", Dockerfile="THIS IS NO DOCKERFILE\n")
        with self._step("Failed at its build") as note:
            failed = self._deployment(integration, bad)
            self._expect(failed, "failed")
            note(failed["problem"][:80])
        with self._step("Redeployed the older artifact"):
            self._panel.post(f"/artifacts/{deployed['artifact']}/redeploy/")
        self._approve_run(integration, good, trigger="redeploy")
        with self._step("Deployed once more") as note:
            self._expect(self._deployment(integration, good, trigger="redeploy"), "deployed")
            tag = self._running_tag(integration)
            if tag != good:
                raise StepFailed(f"The service runs {tag}, not {good}.")
            note(f"the service runs {tag[:7]}")

    def _approve_run(self, integration: dict[str, Any], commit: str, *, trigger: str = "push") -> None:
        with self._step("Waited for an approval, and approved") as note:

            def look() -> Any:
                found = self._panel.get(f"/integrations/{integration['id']}/deployments/", commit=commit)["results"]
                return [each for each in found if (each["trigger"], each["status"]) == (trigger, "waiting")]

            [waiting] = wait_for("the approval", _SECONDS, look)
            self._panel.post(f"/deployments/{waiting['id']}/approve/", {"comment": "From the demo"})
            note(waiting["external_id"][:8])

    def _running_tag(self, integration: dict[str, Any]) -> str:
        stacks = self._panel.get("/stacks/", integration=integration["id"])["results"]
        [name] = [each["outputs"]["ServiceStackName"] for each in stacks if each["kind"] == "ecs"]
        [service] = self._client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        return next(str(each["OutputValue"]) for each in service["Outputs"] if each["OutputKey"] == "ImageTag")

    def _choose(self, integration: dict[str, Any], deployer: str, parameters: dict[str, str]) -> None:
        with self._step(f"Chose {deployer} for {integration['method']}") as note:
            self._panel.patch(
                f"/integrations/{integration['id']}/",
                {"deployers": [deployer], "parameters": {deployer: parameters}},
            )
            note(parameters["Subnets"])
        with self._step("Reviewed, approved and provisioned its stack") as note:
            operation = self._panel.post(f"/integrations/{integration['id']}/provision/?review=true")
            note(f"{self._approve(operation)} changes")
            self._finished(operation, deployer)

    def _network(self) -> dict[str, str]:
        ec2 = self._client("ec2")
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
        return {"VPC": vpc, "Subnets": ",".join(each["SubnetId"] for each in subnets[:2])}

    def _client(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self._aws["AWS_ENDPOINT_URL"],
            region_name=self._aws["AWS_DEFAULT_REGION"],
            aws_access_key_id=self._aws["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._aws["AWS_SECRET_ACCESS_KEY"],
        )

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

        wait_for("the operation", 180.0, look)
        return approved

    def _push(self, copy: WorkingCopy, script: str, message: str, **files: str) -> str:
        with self._step(f"Pushed: {message.lower()}") as note:
            copy.write("appspec.yml", _APPSPEC)
            copy.write("scripts/start.sh", script)
            for name, content in files.items():
                copy.write(name, content)
            commit = copy.commit(message)
            copy.push()
            note(commit[:7])
        return commit

    def _deployment(self, integration: dict[str, Any], commit: str, *, trigger: str = "push") -> dict[str, Any]:
        def look() -> Any:
            found = self._panel.get(f"/integrations/{integration['id']}/deployments/", commit=commit)["results"]
            ended = [each for each in found if each["trigger"] == trigger and each["status"] not in _UNFINISHED]
            return ended[0] if ended else None

        deployment: dict[str, Any] = wait_for(f"the {trigger} deployment of {commit[:7]}", _SECONDS, look)
        return deployment

    @staticmethod
    def _expect(deployment: dict[str, Any], status: str) -> None:
        if deployment["status"] != status:
            raise StepFailed(f"It is {deployment['status']}, not {status}: {deployment['problem']}")

"""A deployment group in moto, and artifacts for it."""

import io
import itertools
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import boto3
import pytest
from moto.codedeploy.models import CodeDeployBackend, codedeploy_backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.exceptions import JsonRESTError

from lambdas.deploy.codedeploy import ACTIVE
from lambdas.deploy.handler import handler
from tests.lambdas.conftest import BUCKET, Stack

KEY = "acme/site/main/site.zip"
APPSPEC = "version: 0.0\nos: linux\nhooks:\n  ApplicationStart:\n    - location: scripts/start.sh\n      timeout: 60\n"
SOUND = {"appspec.yml": APPSPEC, "scripts/start.sh": "#!/bin/sh\n"}
_numbers = itertools.count(1)


def make_zip(files: dict[str, str], *, executable: bool = True) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if executable else 0o100644) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


class Context:
    """An invocation of its own, with this much time left; less than none for one whose lease runs out at once."""

    def __init__(self, seconds: float = 30) -> None:
        self.aws_request_id, self.seconds = f"request-{next(_numbers)}", seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@dataclass
class Group:
    """CodeDeploy's side, with a clock that only a test moves on."""

    stack: Stack
    patch: pytest.MonkeyPatch

    def store(self, files: dict[str, str] | bytes = SOUND, *, delivery: str = "", **metadata: str) -> str:
        """Write a version of the artifact, with its delivery; returns its id."""
        noted = {"commit": "0123456789abcdef", "message": "Fix%20it%0A%0AAt%20last", **metadata}
        if delivery:
            self.stack.table.create({"id": delivery, "status": "stored"})
            noted["delivery-id"] = delivery
        body = files if isinstance(files, bytes) else make_zip(files)
        return str(boto3.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=body, Metadata=noted)["VersionId"])

    def written(self, version: str, context: Context | None = None) -> None:
        """S3 says that a version was written."""
        handler(s3_event(version), context or Context())

    def ended(self, state: str = "SUCCESS", context: Context | None = None, **detail: str) -> None:
        """EventBridge says that a deployment of the group ended."""
        values = {"application": "site", "deploymentGroup": "production", "state": state, "deploymentId": "d-1"}
        handler({"source": "aws.codedeploy", "detail": values | detail}, context or Context())

    @property
    def deployments(self) -> list[Any]:
        """As moto keeps them."""
        return list(codedeploy_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].deployments.values())

    @property
    def deployed_versions(self) -> list[str]:
        return [each.revision["s3Location"]["version"] for each in self.deployments]

    def finish(self, status: str = "Succeeded") -> None:
        """End whatever runs."""
        for each in self.deployments:
            if each.status in ACTIVE:
                each.status = status

    def status_of(self, delivery: str) -> tuple[str, str, str]:
        """What the delivery says about its deployment."""
        item = self.stack.table.get(delivery) or {}
        return item.get("deploy_status", ""), item.get("deploy_reason", ""), item.get("deployment_id", "")

    def record(self, version: str) -> dict[str, Any]:
        answer = boto3.client("dynamodb").get_item(
            TableName="deployments", Key={"id": {"S": f"site/production#{version}"}}
        )
        return {name: next(iter(value.values())) for name, value in answer.get("Item", {}).items()}

    def one_at_a_time(self) -> None:
        """Have CreateDeployment answer as AWS does while a deployment runs; moto would take any number."""

        def limit() -> None:
            if running := [each.deployment_id for each in self.deployments if each.status in ACTIVE]:
                raise JsonRESTError(
                    "DeploymentLimitExceededException", f"already has an active Deployment '{running[0]}'"
                )

        self.before_creation(limit)

    def before_creation(self, act: Callable[[], object]) -> None:
        """Have `act` run where CodeDeploy takes a deployment; what it raises is the answer."""
        create = CodeDeployBackend.create_deployment

        def acting(*arguments: Any, **named: Any) -> Any:
            act()
            return create(*arguments, **named)

        self.patch.setattr(CodeDeployBackend, "create_deployment", acting)

    def after_creation(self, act: Callable[[], object]) -> None:
        """Have `act` run where CodeDeploy has taken a deployment, and its answer is on the way."""
        create = CodeDeployBackend.create_deployment

        def acting(*arguments: Any, **named: Any) -> Any:
            create(*arguments, **named)
            act()

        self.patch.setattr(CodeDeployBackend, "create_deployment", acting)


def refusing(code: str, message: str) -> Callable[[], None]:
    """An act that makes CodeDeploy refuse."""

    def refuse() -> None:
        raise JsonRESTError(code, message)

    return refuse


def s3_event(*versions: str, key: str = KEY, bucket: str = BUCKET) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/"), "versionId": version}},
            }
            for version in versions
        ]
    }


@pytest.fixture
def group(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Group:
    boto3.client("dynamodb").create_table(
        TableName="deployments",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    codedeploy = boto3.client("codedeploy")
    codedeploy.create_application(applicationName="site", computePlatform="Server")
    codedeploy.create_deployment_group(
        applicationName="site",
        deploymentGroupName="production",
        serviceRoleArn="arn:aws:iam::123456789012:role/codedeploy",
    )
    variables = {
        "BUCKET": BUCKET,
        "KEY": KEY,
        "APPLICATION": "site",
        "DEPLOYMENT_GROUP": "production",
        "DEPLOYMENTS_TABLE": "deployments",
        "DELIVERIES_TABLE": "deliveries",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Group(stack, monkeypatch)


def at_once(count: int, call: Any) -> list[BaseException | None]:
    """Call it from so many threads; returns what each raised."""
    start, raised = threading.Barrier(count), list[BaseException | None]([None] * count)

    def run(number: int) -> None:
        start.wait()
        try:
            call(number)
        except Exception as error:  # noqa: BLE001 - looked at by the test
            raised[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised

"""The few things that are asked of CodeDeploy."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_codedeploy import CodeDeployClient
    from mypy_boto3_codedeploy.literals import DeploymentStatusType
    from mypy_boto3_codedeploy.type_defs import RevisionLocationTypeDef

ACTIVE: "tuple[DeploymentStatusType, ...]" = ("Created", "Queued", "InProgress", "Baking", "Ready")
MAX_DESCRIPTION = 200
"""Characters."""
_PASSING = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestTimeout"})
_BATCH = 25
"""https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_BatchGetDeployments.html"""


class Busy(Exception):
    """The group has a deployment that runs, or the account has as many as it may."""


class Refused(Exception):
    """CodeDeploy will not take it however often it is asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One version of an object, as CodeDeploy names it."""

    bucket: str
    key: str
    version_id: str
    etag: str

    def location(self) -> "RevisionLocationTypeDef":
        """As CreateDeployment takes it."""
        return {
            "revisionType": "S3",
            "s3Location": {
                "bucket": self.bucket,
                "key": self.key,
                "bundleType": "zip",
                "version": self.version_id,
                "eTag": self.etag,
            },
        }


@dataclass(frozen=True)
class Group:
    """A deployment group."""

    client: "CodeDeployClient"
    application: str
    name: str

    def create(self, revision: Revision, *, description: str) -> str:
        """Start a deployment and return its id. Raises Busy, Refused, and botocore's errors where a retry may help.

        https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_CreateDeployment.html
        """
        try:
            return self.client.create_deployment(
                applicationName=self.application,
                deploymentGroupName=self.name,
                revision=revision.location(),
                description=description[:MAX_DESCRIPTION],
                fileExistsBehavior="OVERWRITE",
            )["deploymentId"]
        except self.client.exceptions.DeploymentLimitExceededException as error:
            raise Busy(_message(error)) from error
        except self.client.exceptions.ClientError as error:
            if may_pass(error):
                raise
            raise Refused(self._in_words(error)) from error

    def active(self) -> list[str]:
        """Ids of the deployments that run in the group."""
        answer = self.client.list_deployments(
            applicationName=self.application, deploymentGroupName=self.name, includeOnlyStatuses=list(ACTIVE)
        )
        return answer.get("deployments", [])

    def find(self, revision: Revision, *, since: datetime) -> str:
        """The deployment that was made of a revision since then, other than by a rollback; empty if there is none."""
        for ids in self._ids_since(since - timedelta(minutes=1)):
            for deployment in self.client.batch_get_deployments(deploymentIds=ids)["deploymentsInfo"]:
                location = deployment.get("revision", {}).get("s3Location", {})
                ours = (location.get("bucket"), location.get("key"), location.get("version")) == (
                    revision.bucket,
                    revision.key,
                    revision.version_id,
                )
                if ours and deployment.get("creator") != "codeDeployRollback":
                    return deployment["deploymentId"]
        return ""

    def _ids_since(self, start: datetime) -> Iterator[list[str]]:
        pages = self.client.get_paginator("list_deployments").paginate(
            applicationName=self.application, deploymentGroupName=self.name, createTimeRange={"start": start}
        )
        for page in pages:
            ids = page.get("deployments", [])
            for at in range(0, len(ids), _BATCH):
                yield ids[at : at + _BATCH]

    def _in_words(self, error: "ClientError") -> str:
        code = error.response["Error"].get("Code", "")
        match code:
            case "ApplicationDoesNotExistException":
                return f"CodeDeploy has no application {self.application}: update the stack, which makes it anew."
            case "DeploymentGroupDoesNotExistException":
                return f"CodeDeploy has no deployment group {self.name}: update the stack, which makes it anew."
        return f"CodeDeploy answered {code}: {_message(error)}"


def may_pass(error: "ClientError") -> bool:
    """Whether AWS may answer otherwise to the same request a little later."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return status >= 500 or status == 429 or error.response["Error"].get("Code") in _PASSING


def _message(error: "ClientError") -> str:
    return str(error.response["Error"].get("Message", ""))[:500]

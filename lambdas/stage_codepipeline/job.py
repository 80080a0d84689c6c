"""A job as CodePipeline hands it to a function.

It carries credentials: neither a job nor its event may be logged.
https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-invoke-lambda-function.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class BadJob(Exception):
    """The pipeline's action, or the stack, is not set up as this function needs it; the message says what to fix."""


@dataclass(frozen=True, slots=True)
class Job:
    """What this function reads of it."""

    bucket: str
    """Of the artifact to write."""
    key: str
    kms_key: str
    """Id or ARN of the key to encrypt it with; empty where the bucket's own encryption counts."""
    source_version: str
    """Version id of the source, or empty."""
    credentials: Mapping[str, str] = field(repr=False)
    """For the artifact's bucket only, named as boto3's clients take them."""

    @classmethod
    def from_event(cls, job: Mapping[str, Any]) -> "Job":
        """Read `CodePipeline.job`. Raises BadJob."""
        try:
            data = job["data"]
            credentials = data["artifactCredentials"]
            outputs = data["outputArtifacts"]
            parameters = data["actionConfiguration"]["configuration"].get("UserParameters") or "{}"
            if len(outputs) != 1:
                raise BadJob(f"The action has {len(outputs)} output artifacts; give it one, for the service's files.")
            place = outputs[0]["location"]["s3Location"]
            return cls(
                bucket=place["bucketName"],
                key=place["objectKey"],
                kms_key=(data.get("encryptionKey") or {}).get("id", ""),
                source_version=_version(parameters),
                credentials={
                    "aws_access_key_id": credentials["accessKeyId"],
                    "aws_secret_access_key": credentials["secretAccessKey"],
                    "aws_session_token": credentials["sessionToken"],
                },
            )
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise BadJob(f"CodePipeline's job cannot be read: {type(error).__name__} {error}.") from None


def _version(parameters: str) -> str:
    try:
        document = json.loads(parameters)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("version", ""), str):
        raise BadJob('The action\'s UserParameters have to be JSON like {"version": "#{Source.VersionId}"}.')
    return str(document.get("version", ""))

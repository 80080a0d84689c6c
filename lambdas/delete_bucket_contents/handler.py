"""Empties buckets: as a custom resource when its stack is deleted, or when invoked with `{"bucket": name}`.

A function runs for fifteen minutes at most, and a custom resource is waited for an hour. What is not through in time
has the function called again, which goes on with what is left; the last one answers.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from lambdas.common import clients, custom_resource, log

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import DeleteMarkerEntryTypeDef, ObjectVersionTypeDef

MARGIN_MILLISECONDS = 60_000
"""What one page may take at worst, with its repetitions."""


class Context(Protocol):
    """What Lambda tells of a call, as far as it is used here."""

    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the call."""


def handler(event: dict[str, Any], context: Context) -> dict[str, Any] | None:
    """Purge on Delete if `Purge` is "true"; Create and Update do nothing.

    A direct call returns {"bucket": name, "deleted": n, "done": whether the bucket is empty}, and is to be made again
    while it is not done.
    """

    def in_time() -> bool:
        return context.get_remaining_time_in_millis() > MARGIN_MILLISECONDS

    if "RequestType" not in event:
        deleted, done = purge(clients.s3(), event["bucket"], in_time)
        return {"bucket": event["bucket"], "deleted": deleted, "done": done}

    def act(request: Mapping[str, Any]) -> Mapping[str, str]:
        properties = request.get("ResourceProperties", {})
        if request["RequestType"] == "Delete" and str(properties.get("Purge", "")).lower() == "true":
            _, done = purge(clients.s3(), properties["Bucket"], in_time)
            if not done:
                clients.functions().invoke(
                    FunctionName=context.invoked_function_arn,
                    InvocationType="Event",
                    Payload=json.dumps(event).encode(),
                )
                raise custom_resource.AnswersLater
        return {}

    bucket = str(event.get("ResourceProperties", {}).get("Bucket", ""))
    custom_resource.handle(event, act, physical_id=f"contents-of-{bucket}")
    return None


def purge(s3: "S3Client", bucket: str, in_time: Callable[[], bool]) -> tuple[int, bool]:
    """Delete every version, delete marker and unfinished upload while there is time, but one page in any case.

    May run twice, or on a bucket that is gone. Returns how many versions and markers it deleted, and whether the bucket
    is empty. Raises RuntimeError with S3's words if some of them cannot be deleted.
    """
    deleted = 0
    try:
        # Always the first page: what is listed is gone before the next request.
        while versions := _some_versions(s3, bucket):
            answer = s3.delete_objects(
                Bucket=bucket,
                Delete={
                    "Objects": [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in versions],
                    "Quiet": True,
                },
            )
            if errors := answer.get("Errors"):
                raise RuntimeError(f"{len(errors)} objects stay: {errors[0].get('Code')} {errors[0].get('Message')}")
            deleted += len(versions)
            if not in_time():
                log.info("bucket_half_purged", bucket=bucket, deleted=deleted)
                return deleted, False
        for uploads in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
            for upload in uploads.get("Uploads", []):
                s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    except s3.exceptions.NoSuchBucket:
        log.info("bucket_gone", bucket=bucket)
    log.info("bucket_purged", bucket=bucket, deleted=deleted)
    return deleted, True


def _some_versions(s3: "S3Client", bucket: str) -> Sequence["ObjectVersionTypeDef | DeleteMarkerEntryTypeDef"]:
    page = s3.list_object_versions(Bucket=bucket)
    return [*page.get("Versions", []), *page.get("DeleteMarkers", [])]

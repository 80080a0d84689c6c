"""Empties buckets: as a custom resource when its stack is deleted, or when invoked with `{"bucket": name}`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lambdas.common import clients, custom_resource, log

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import DeleteMarkerEntryTypeDef, ObjectVersionTypeDef


def handler(event: dict[str, Any], context: object) -> dict[str, Any] | None:  # noqa: ARG001
    """Purge on Delete if `Purge` is "true"; Create and Update do nothing. A direct call returns {"deleted": n}."""
    if "RequestType" not in event:
        return {"bucket": event["bucket"], "deleted": purge(clients.s3(), event["bucket"])}

    def act(request: Mapping[str, Any]) -> Mapping[str, str]:
        properties = request.get("ResourceProperties", {})
        if request["RequestType"] == "Delete" and str(properties.get("Purge", "")).lower() == "true":
            purge(clients.s3(), properties["Bucket"])
        return {}

    bucket = str(event.get("ResourceProperties", {}).get("Bucket", ""))
    custom_resource.handle(event, act, physical_id=f"contents-of-{bucket}")
    return None


def purge(s3: "S3Client", bucket: str) -> int:
    """Delete every version, delete marker and unfinished upload; return how many.

    May run twice, or on a bucket that is gone.
    Raises RuntimeError with S3's words if some of them cannot be deleted.
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
        for uploads in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
            for upload in uploads.get("Uploads", []):
                s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    except s3.exceptions.NoSuchBucket:
        log.info("bucket_gone", bucket=bucket)
    log.info("bucket_purged", bucket=bucket, deleted=deleted)
    return deleted


def _some_versions(s3: "S3Client", bucket: str) -> Sequence["ObjectVersionTypeDef | DeleteMarkerEntryTypeDef"]:
    page = s3.list_object_versions(Bucket=bucket)
    return [*page.get("Versions", []), *page.get("DeleteMarkers", [])]

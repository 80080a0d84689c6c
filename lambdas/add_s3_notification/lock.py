"""A lock that is an object in the bucket itself, as the bucket is all that two stacks have in common.

S3 writes it only if it is not there: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

import json
import random
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from lambdas.common import log

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

KEY = ".sluice/notifications.lock"
STALE = 30
"""Seconds after which the holder must have died: it starts no write later than `HOLD` seconds after it got the lock,
and a request ends within twenty."""
HOLD = 5
_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
"""What S3 answers to a conditional write when someone else was there, or is writing or deleting at this moment."""


class NotLocked(Exception):
    """Someone else kept the lock for as long as this function could wait."""


@contextmanager
def locked(s3: "S3Client", bucket: str, *, deadline: float) -> Iterator[float]:
    """Hold the bucket's lock; yields the moment, on time.monotonic(), until which changes may be begun.

    `deadline`, on the same clock, is when to give up waiting. Raises NotLocked, and botocore's ClientError.
    """
    body = json.dumps({"holder": secrets.token_hex(8)}).encode()
    versions = _acquire(s3, bucket, body, deadline)
    try:
        yield time.monotonic() + HOLD
    finally:
        _release(s3, bucket, versions)


def _acquire(s3: "S3Client", bucket: str, body: bytes, deadline: float) -> list[str]:
    """Returns the versions that the release has to delete; none where the bucket keeps no versions."""
    while True:
        try:
            return _versions(s3.put_object(Bucket=bucket, Key=KEY, Body=body, IfNoneMatch="*"))
        except s3.exceptions.ClientError as error:
            if not _is_taken(error):
                raise
            now = parsedate_to_datetime(error.response["ResponseMetadata"]["HTTPHeaders"]["date"])
            taken_over = _take_over(s3, bucket, body, now)
        if taken_over is not None:
            return taken_over
        if time.monotonic() > deadline:
            raise NotLocked(
                f"Other stacks are changing the notifications of the bucket {bucket} (they hold {KEY}). Try again."
            )
        # CloudFormation waits for the answer, and nothing else could call this function again.
        time.sleep(random.uniform(0.05, 0.3))  # noqa: S311 - spreads out those who wait


def _take_over(s3: "S3Client", bucket: str, body: bytes, now: datetime) -> list[str] | None:
    """Replace a lock whose holder died; None if it lives, or if someone else was faster. `now` is by S3's clock."""
    try:
        held = s3.head_object(Bucket=bucket, Key=KEY)
        if (now - held["LastModified"]).total_seconds() < STALE:
            return None
        answer = s3.put_object(Bucket=bucket, Key=KEY, Body=body, IfMatch=held["ETag"])
    except s3.exceptions.ClientError as error:
        if _is_taken(error) or error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise
    log.info("notification_lock_taken_over", bucket=bucket, held_since=held["LastModified"])
    return [*_versions(answer), *_versions(held)]


def _release(s3: "S3Client", bucket: str, versions: list[str]) -> None:
    try:
        for version in versions:
            s3.delete_object(Bucket=bucket, Key=KEY, VersionId=version)
        if not versions:
            s3.delete_object(Bucket=bucket, Key=KEY)
    except s3.exceptions.ClientError as error:
        if error.response["Error"].get("Code") == "NoSuchBucket":
            return
        if not versions:
            raise
        # The role may delete, but not for good: an old version and a marker stay, and the lock is free all the same.
        log.exception("notification_lock_version_kept", error, bucket=bucket)
        s3.delete_object(Bucket=bucket, Key=KEY)


def _versions(answer: Any) -> list[str]:
    version = answer.get("VersionId")
    return [version] if version and version != "null" else []


def _is_taken(error: "ClientError") -> bool:
    return error.response["Error"].get("Code") in _TAKEN

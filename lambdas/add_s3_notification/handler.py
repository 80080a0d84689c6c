"""Has S3 call a function for each new version of one object, beside whatever else the bucket notifies.

Resource properties: `Bucket`, `NotificationId` (the entry's id, one a stack), `FunctionArn`, and `Key`, the object's
exact key. Or `Bucket` and `EventBridge: "true"`: then all the bucket's events go to EventBridge too. A bucket whose own
template says so would lose the entries of others whenever CloudFormation writes it:
https://github.com/aws/aws-cdk/issues/30607

S3 replaces the whole configuration with each write, so it is read, changed and written under a lock, and read back.

The role needs s3:GetBucketNotification and s3:PutBucketNotification on the bucket, and s3:GetObject, s3:PutObject,
s3:DeleteObject and s3:DeleteObjectVersion on the lock, `.sluice/notifications.lock`. Permission for S3 to invoke the
function has to be there first. The function's timeout should be a minute or more: that is how long it may wait.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lambdas.add_s3_notification.entry import Change, Entry, configuration_of
from lambdas.add_s3_notification.lock import locked
from lambdas.common import clients, custom_resource, log
from lambdas.common.worker import Context

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

RESERVE = 10
"""Seconds of the function's time that are kept for the change and the answer."""
_TRIES = 4


class NotTaken(Exception):
    """S3 does not take the configuration; the message says what a person can do."""


def handler(event: dict[str, Any], context: Context) -> None:
    """Create and Update put the entry in; Delete takes it out, if it and its bucket are still there.

    That events go to EventBridge stays, as others may have come to rely on it.
    """
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE

    def act(request: Mapping[str, Any]) -> Mapping[str, str]:
        apply(clients.s3_in_a_hurry(), request, deadline=deadline)
        return {}

    properties = event.get("ResourceProperties", {})
    custom_resource.handle(event, act, physical_id=f"notification-{properties.get('NotificationId', 'eventbridge')}")


def apply(s3: "S3Client", request: Mapping[str, Any], *, deadline: float) -> None:
    """Do what CloudFormation asks for. Raises Overlap, NotTaken, NotLocked, and botocore's ClientError."""
    properties = request["ResourceProperties"]
    bucket, own_id = properties["Bucket"], properties.get("NotificationId", "")
    if request["RequestType"] == "Delete":
        _remove(s3, bucket, own_id, deadline)
        return
    # The physical id stays through updates, so CloudFormation asks for no deletion of what an update leaves behind.
    before = request.get("OldResourceProperties") or {}
    old_bucket, old_id = before.get("Bucket", bucket), before.get("NotificationId", own_id)
    wanted = Change(
        add=Entry(own_id, properties["FunctionArn"], properties["Key"]) if own_id else None,
        remove=frozenset({old_id} if old_bucket == bucket else ()),
        event_bridge=str(properties.get("EventBridge", "")).lower() == "true",
    )
    change(s3, bucket, wanted, deadline=deadline)
    if old_bucket != bucket:
        _remove(s3, old_bucket, old_id, deadline)


def _remove(s3: "S3Client", bucket: str, own_id: str, deadline: float) -> None:
    try:
        change(s3, bucket, Change(remove=frozenset({own_id})), deadline=deadline)
    except s3.exceptions.ClientError as error:
        if error.response["Error"].get("Code") != "NoSuchBucket":
            raise
        log.info("bucket_gone", bucket=bucket)


def change(s3: "S3Client", bucket: str, wanted: Change, *, deadline: float) -> None:
    """Bring the bucket's configuration to have the change, and see that it has.

    Nothing is written, not even the lock, where nothing is to be changed.
    """
    if wanted.applied_to(_read(s3, bucket)) is None:
        return
    while True:
        with locked(s3, bucket, deadline=deadline) as until:
            for _ in range(_TRIES):
                changed = wanted.applied_to(_read(s3, bucket))
                if changed is None:
                    log.info("notifications_changed", bucket=bucket, change=wanted)
                    return
                if time.monotonic() > until:
                    break
                _write(s3, bucket, changed, own_arn=wanted.add.function_arn if wanted.add else "")
        if time.monotonic() > deadline:
            raise NotTaken(f"S3 took the notifications of {bucket}, but does not show them. Try again.")


def _read(s3: "S3Client", bucket: str) -> dict[str, Any]:
    return configuration_of(s3.get_bucket_notification_configuration(Bucket=bucket))


def _write(s3: "S3Client", bucket: str, wanted: dict[str, Any], *, own_arn: str) -> None:
    try:
        # S3 tries every destination, and a stranger's that is gone must not keep us from taking ours out.
        s3.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration=wanted,  # type: ignore[arg-type]
            SkipDestinationValidation=not own_arn,
        )
    except s3.exceptions.ClientError as error:
        if error.response["Error"].get("Code") != "InvalidArgument" or not own_arn:
            raise
        details = _details(error)
        if "overlap" in details:
            raise NotTaken(
                f"Another notification of the bucket {bucket} is for the same objects, and S3 takes one for each "
                f"object and event. Its notifications are called {_ids(wanted)}. Remove or narrow down the one that "
                "covers this key."
            ) from error
        if own_arn in details or "arn:" not in details:
            raise NotTaken(f"S3 does not take the notification for {own_arn}: {details}") from error
        log.exception("notification_of_others_invalid", error, bucket=bucket)
        s3.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration=wanted,  # type: ignore[arg-type]
            SkipDestinationValidation=True,
        )


def _ids(configuration: Mapping[str, Any]) -> str:
    lists = [value for value in configuration.values() if isinstance(value, list)]
    return ", ".join(str(each.get("Id", "")) for entries in lists for each in entries)


def _details(error: "ClientError") -> str:
    """S3 names each destination that it could not reach, and why, in elements that are numbered."""
    return "; ".join(str(value) for name, value in sorted(error.response["Error"].items()) if value and name != "Code")

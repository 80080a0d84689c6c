"""S3. https://docs.aws.amazon.com/AmazonS3/latest/API/

Buckets whose names can be guessed are only touched while they belong to the account we mean (`owner`, twelve digits).
"""

import json
import time
from typing import TYPE_CHECKING, Any, cast

from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client
from deployers.errors import AccessDenied, AlreadyExistsAtAws, AwsError, NotFoundAtAws

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def _client(access: Access) -> "S3Client":
    return cast("S3Client", client(access, "s3"))


def exists(access: Access, *, bucket: str, key: str, owner: str) -> bool:
    """Whether the object is there. Raises AccessDenied when the bucket is another account's."""
    try:
        with aws_faults():
            _client(access).head_object(Bucket=bucket, Key=key, ExpectedBucketOwner=owner)
    except NotFoundAtAws:
        return False
    return True


def ensure_private_bucket(access: Access, *, bucket: str, owner: str, partition: str) -> None:
    """Make the bucket if it is missing: private, encrypted (as all are), and reachable by TLS only.

    Raises AlreadyExistsAtAws when another account has a bucket of this name.
    """
    s3 = _client(access)
    try:
        with aws_faults():
            s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=owner)
    except NotFoundAtAws:
        pass
    except AccessDenied as error:
        raise AlreadyExistsAtAws(
            f"The bucket {bucket} belongs to another AWS account, or may not be used by this one.",
            remedy="Publish to a bucket of your own: publish_artifacts --bucket NAME.",
        ) from error
    else:
        return
    try:
        with aws_faults():
            if access.region == "us-east-1":
                s3.create_bucket(Bucket=bucket, ObjectOwnership="BucketOwnerEnforced")
            else:
                s3.create_bucket(
                    Bucket=bucket,
                    ObjectOwnership="BucketOwnerEnforced",
                    CreateBucketConfiguration={"LocationConstraint": cast("Any", access.region)},
                )
    except AlreadyExistsAtAws as error:
        if error.aws_code != "BucketAlreadyOwnedByYou":
            raise
    with aws_faults():
        s3.put_public_access_block(
            Bucket=bucket,
            ExpectedBucketOwner=owner,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        arn = f"arn:{partition}:s3:::{bucket}"
        s3.put_bucket_policy(
            Bucket=bucket,
            ExpectedBucketOwner=owner,
            Policy=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Sid": "TlsOnly",
                            "Effect": "Deny",
                            "Principal": "*",
                            "Action": "s3:*",
                            "Resource": [arn, f"{arn}/*"],
                            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                        }
                    ],
                }
            ),
        )


def put(access: Access, *, bucket: str, key: str, body: bytes, content_type: str, owner: str) -> None:
    with aws_faults():
        _client(access).put_object(
            Bucket=bucket, Key=key, Body=body, ContentType=content_type, ExpectedBucketOwner=owner
        )


def url(access: Access, *, bucket: str, key: str) -> str:
    """The object's address, as CloudFormation takes it for a TemplateURL."""
    return f"{_client(access).meta.endpoint_url}/{bucket}/{key}"


def version_exists(access: Access, *, bucket: str, key: str, version_id: str) -> bool:
    """Whether this version of an object is still there."""
    try:
        with aws_faults():
            _client(access).head_object(Bucket=bucket, Key=key, VersionId=version_id)
    except NotFoundAtAws:
        return False
    return True


def download_url(access: Access, *, bucket: str, key: str, version_id: str, filename: str, seconds: int) -> str:
    """A presigned address that downloads exactly this version for that long."""
    with aws_faults():
        return _client(access).generate_presigned_url(
            "get_object",
            Params={
                "Bucket": bucket,
                "Key": key,
                "VersionId": version_id,
                "ResponseContentDisposition": f'attachment; filename="{filename}"',
            },
            ExpiresIn=seconds,
        )


def purge(access: Access, *, bucket: str, seconds: float) -> bool:
    """Delete versions, delete markers and unfinished uploads for at most that long.

    Returns whether the bucket is empty now, or gone. Raises AwsError when S3 refuses to delete an object.
    """
    deadline = time.monotonic() + seconds
    s3 = _client(access)
    try:
        with aws_faults():
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                if not versions:
                    continue
                answer = s3.delete_objects(
                    Bucket=bucket,
                    Delete={
                        "Objects": [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in versions],
                        "Quiet": True,
                    },
                )
                if errors := answer.get("Errors"):
                    raise AwsError(
                        f"S3 refuses to delete {len(errors)} objects of {bucket}: {errors[0].get('Message')}",
                        aws_code=errors[0].get("Code", ""),
                        action="DeleteObjects",
                    )
                if time.monotonic() > deadline:
                    return False
            for uploads in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
                for upload in uploads.get("Uploads", []):
                    s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    except NotFoundAtAws:
        return True
    return True

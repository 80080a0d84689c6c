"""Where MiniStack differs from AWS in a way that Sluice's stacks notice."""

# MiniStack offers no hooks: what it gets wrong is replaced where it stands.
# ruff: noqa: SLF001

import json
from typing import Any


def apply() -> None:
    """Change MiniStack in this process; call before it serves."""
    _refuse_to_delete_full_buckets()
    _count_loopback_as_tls()
    _tell_policies_the_data_key_spec()
    _fail_operations_cut_short()


def _refuse_to_delete_full_buckets() -> None:
    """A stack's deletion fails at a bucket that holds objects or versions, as S3's DeleteBucket does.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-s3-bucket.html
    """
    from ministack.services import s3
    from ministack.services.cloudformation import provisioners

    handler = provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]
    delete = handler["delete"]

    def delete_if_empty(name: str, properties: dict[str, Any]) -> None:
        bucket = s3._buckets.get(name)
        if bucket and (bucket["objects"] or s3._bucket_has_versions(name)):
            raise ValueError(
                "The bucket you tried to delete is not empty. You must delete all versions in the bucket. "
                "(Service: S3, Status Code: 409)"
            )
        delete(name, properties)
        s3._delete_persisted_bucket(name)

    handler["delete"] = delete_if_empty


def _count_loopback_as_tls() -> None:
    """`aws:SecureTransport` is true: requests never leave this machine, and the buckets' policies want TLS."""
    from ministack import app
    from ministack.core import iam_evaluator

    def pin(source_ip: str, _secure: bool) -> None:
        iam_evaluator._request_origin.set((source_ip, True))

    app.pin_request_origin = pin


def _tell_policies_the_data_key_spec() -> None:
    """Give policies the condition key `kms:DataKeyPairSpec`.

    https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-data-key-spec
    """
    from ministack.core import iam_actions

    tags = iam_actions.request_tag_context

    def context(service: str, action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = tags(service, action, body, params)
        if action.startswith("kms:GenerateDataKeyPair"):
            try:
                found = {**found, "kms:DataKeyPairSpec": json.loads(body)["KeyPairSpec"]}
            except (ValueError, KeyError, TypeError):
                return found
        return found

    iam_actions.request_tag_context = context


_CUT_SHORT = {
    "CREATE_IN_PROGRESS": "CREATE_FAILED",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_FAILED",
    "UPDATE_IN_PROGRESS": "UPDATE_ROLLBACK_FAILED",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
}


def _fail_operations_cut_short() -> None:
    """Stacks that a restart finds in the middle of an operation failed: nothing would ever end it."""
    from ministack.services import cloudformation

    load = cloudformation.load_persisted_state

    def load_and_settle(data: dict[str, Any]) -> None:
        load(data)
        for stack in cloudformation._stacks._data.values():
            if stack.get("StackStatus") in _CUT_SHORT:
                stack["StackStatus"] = _CUT_SHORT[stack["StackStatus"]]
                stack["StackStatusReason"] = "The local AWS ended in the middle of the operation"

    cloudformation.load_persisted_state = load_and_settle

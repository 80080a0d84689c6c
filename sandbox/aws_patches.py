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
    _hide_secrets_of_change_sets()
    _refuse_functions_without_their_package()
    _leave_secrets_without_a_value_empty()
    _fail_operations_cut_short()
    _read_ranges_of_versions()
    _offer_instance_types()
    _name_images_for_ecs()
    _keep_attributes_of_nested_resources()


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


def _hide_secrets_of_change_sets() -> None:
    """A change set shows no value of a NoEcho parameter.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
    """
    from ministack.services import cloudformation
    from ministack.services.cloudformation import handlers

    create = handlers._ACTION_HANDLERS["CreateChangeSet"]

    def create_and_hide(params: dict[str, Any]) -> Any:
        answer = create(params)
        for change_set in cloudformation._change_sets.values():
            for parameter in change_set["Parameters"]:
                if change_set["_resolved_params"][parameter["ParameterKey"]]["NoEcho"]:
                    parameter["ParameterValue"] = "****"
        return answer

    handlers._ACTION_HANDLERS["CreateChangeSet"] = create_and_hide


def _refuse_functions_without_their_package() -> None:
    """A function whose package is not in S3 fails at once; MiniStack would make one that never answers."""
    from ministack.services import lambda_svc
    from ministack.services.cloudformation import provisioners

    handler = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    create = handler["create"]

    def create_with_package(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        code = properties.get("Code", {})
        bucket, key = code.get("S3Bucket"), code.get("S3Key")
        if bucket and key and lambda_svc._fetch_code_from_s3(bucket, key) is None:
            raise ValueError(
                "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does "
                "not exist. (Service: Lambda, Status Code: 400)"
            )
        return create(logical_id, properties, stack_name)

    handler["create"] = create_with_package


def _leave_secrets_without_a_value_empty() -> None:
    """A secret made without a value has no version; MiniStack gives it an empty one."""
    from ministack.services import secretsmanager
    from ministack.services.cloudformation import provisioners

    handler = provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"]
    create = handler["create"]

    def create_empty(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        name, attributes = create(logical_id, properties, stack_name)
        if "SecretString" not in properties and "GenerateSecretString" not in properties:
            secretsmanager._secrets[name]["Versions"].clear()
        return name, attributes

    handler["create"] = create_empty


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


def _read_ranges_of_versions() -> None:
    """GetObject of a version honours Range; MiniStack answers the whole version.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    from ministack.services import s3

    get = s3._get_object

    def get_range(bucket: str, key: str, headers: dict[str, str], query: dict[str, Any] | None = None) -> Any:
        asked = headers.get("range", "")
        # A checksum is of the whole object, and so not told with a part of it.
        if asked:
            headers = {name: value for name, value in headers.items() if name != "x-amz-checksum-mode"}
        answer = get(bucket, key, headers, query)
        status, answered, body = answer
        if status != 200 or not asked or not query or "versionId" not in query:
            return answer
        found = s3._parse_range(asked, len(body))
        if found is None:
            return s3._error("InvalidRange", "The requested range is not satisfiable", 416, f"/{bucket}/{key}")
        first, last = found
        return (
            206,
            {**answered, "Content-Range": f"bytes {first}-{last}/{len(body)}", "Content-Length": str(last - first + 1)},
            body[first : last + 1],
        )

    s3._get_object = get_range


OFFERED = (
    "t2.micro",
    "t2.small",
    "t2.medium",
    "t3.micro",
    "t3.small",
    "t3.medium",
    "m5.large",
    "c5.large",
    "t4g.micro",
    "t4g.small",
    "t4g.medium",
)
"""Types of instances that the local region has."""


def _offer_instance_types() -> None:
    """DescribeInstanceTypeOfferings, which MiniStack lacks: a few types, each in every zone that has a subnet.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypeOfferings.html
    """
    from ministack.core.responses import get_region
    from ministack.services import ec2

    def offerings(params: dict[str, Any]) -> Any:
        by_zone = ec2._p(params, "LocationType") == "availability-zone"
        zones = sorted({each["AvailabilityZone"] for each in ec2._subnets.values()}) if by_zone else [get_region()]
        kind = "availability-zone" if by_zone else "region"
        items = "".join(
            f"<item><instanceType>{name}</instanceType><locationType>{kind}</locationType>"
            f"<location>{zone}</location></item>"
            for name in OFFERED
            for zone in zones
        )
        return ec2._xml(
            200,
            "DescribeInstanceTypeOfferingsResponse",
            f"<instanceTypeOfferingSet>{items}</instanceTypeOfferingSet>",
        )

    ec2._ACTION_MAP["DescribeInstanceTypeOfferings"] = offerings


def _name_images_for_ecs() -> None:
    """The public SSM parameters that name the images of container instances.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/retrieve-ecs-optimized_AMI.html
    """
    from ministack.services import ssm

    for path in ("amazon-linux-2023", "amazon-linux-2023/arm64"):
        ssm._PUBLIC_AMI_PARAMETERS[f"/aws/service/ecs/optimized-ami/{path}/recommended/image_id"] = (
            "ami-0c2023a1b2c3d4e5f"
        )


def _keep_attributes_of_nested_resources() -> None:
    """An update that changes nothing about a resource of a nested stack leaves its attributes; MiniStack drops some."""
    from ministack.services.cloudformation import provisioners

    known: dict[tuple[str, str], dict[str, Any]] = {}
    make, update = provisioners._provision_resource, provisioners._update_resource

    def make_and_note(kind: str, *given: Any, **named: Any) -> Any:
        physical_id, attributes = make(kind, *given, **named)
        known[kind, physical_id] = dict(attributes or {})
        return physical_id, attributes

    def update_and_keep(kind: str, before: str, *given: Any, **named: Any) -> Any:
        physical_id, attributes = update(kind, before, *given, **named)
        if physical_id == before:
            attributes = known.get((kind, before), {}) | (attributes or {})
        known[kind, physical_id] = dict(attributes or {})
        return physical_id, attributes

    provisioners._provision_resource, provisioners._update_resource = make_and_note, update_and_keep

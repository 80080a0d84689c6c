"""AWS clients, made once a container and only when first used: making one takes longer than most calls."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient


@cache
def dynamodb() -> "DynamoDBClient":
    import boto3

    return boto3.client("dynamodb", config=_config())


@cache
def sqs() -> "SQSClient":
    import boto3

    return boto3.client("sqs", config=_config())


@cache
def s3() -> "S3Client":
    import boto3

    return boto3.client("s3", config=_config(read_timeout=60))


@cache
def secrets_manager() -> "SecretsManagerClient":
    import boto3

    return boto3.client("secretsmanager", config=_config())


@cache
def kms() -> "KMSClient":
    import boto3

    return boto3.client("kms", config=_config())


def _config(read_timeout: int = 10) -> "Config":
    from botocore.config import Config

    return Config(
        connect_timeout=3,
        read_timeout=read_timeout,
        retries={"mode": "standard", "max_attempts": 5},
        max_pool_connections=10,
    )

"""AWS clients, made once a container and only when first used: making one takes longer than most calls."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_codedeploy import CodeDeployClient
    from mypy_boto3_codepipeline import CodePipelineClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_lambda import LambdaClient
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
def s3_in_a_hurry() -> "S3Client":
    """For small requests under a lock: each has ended, one way or the other, within twenty seconds."""
    import boto3

    return boto3.client("s3", config=_config(read_timeout=5, max_attempts=2))


@cache
def codedeploy() -> "CodeDeployClient":
    import boto3

    return boto3.client("codedeploy", config=_config())


@cache
def codepipeline() -> "CodePipelineClient":
    import boto3

    return boto3.client("codepipeline", config=_config(read_timeout=5, max_attempts=3))


@cache
def cloudformation() -> "CloudFormationClient":
    import boto3

    return boto3.client("cloudformation", config=_config(read_timeout=5, max_attempts=3))


def s3_as(*, aws_access_key_id: str, aws_secret_access_key: str, aws_session_token: str) -> "S3Client":
    """With credentials that someone else gave for one job."""
    import boto3

    return boto3.client(
        "s3",
        config=_config(read_timeout=5, max_attempts=3),
        aws_access_key_id=aws_access_key_id,
        aws_secret_access_key=aws_secret_access_key,
        aws_session_token=aws_session_token,
    )


@cache
def functions() -> "LambdaClient":
    import boto3

    return boto3.client("lambda", config=_config())


@cache
def secrets_manager() -> "SecretsManagerClient":
    import boto3

    return boto3.client("secretsmanager", config=_config())


@cache
def kms() -> "KMSClient":
    import boto3

    return boto3.client("kms", config=_config())


def _config(read_timeout: int = 10, max_attempts: int = 5) -> "Config":
    from botocore.config import Config

    return Config(
        connect_timeout=3,
        read_timeout=read_timeout,
        retries={"mode": "standard", "max_attempts": max_attempts},
        max_pool_connections=10,
    )

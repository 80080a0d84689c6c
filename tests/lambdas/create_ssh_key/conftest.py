"""The stack's secret, and KMS as far as a key needs it."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from lambdas.common import clients
from tests.lambdas.conftest import der_key_pair


@pytest.fixture
def secret(aws: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """The stack's secret as the template makes it: there, and empty."""
    arn = boto3.client("secretsmanager").create_secret(Name="ssh-key")["ARN"]
    monkeypatch.setenv("SSH_KEY_SECRET_ARN", arn)
    monkeypatch.setenv("KMS_KEY_ID", "key")
    return arn


@pytest.fixture
def kms(aws: None) -> Iterator[Stubber]:
    """KMS's answers: moto has no GenerateDataKeyPair."""
    with Stubber(clients.kms()) as stubber:
        yield stubber


def expect_key_pair(kms: Stubber) -> None:
    private, public = der_key_pair()
    kms.add_response(
        "generate_data_key_pair",
        {"PrivateKeyPlaintext": private, "PublicKey": public, "KeyPairSpec": "ECC_NIST_EDWARDS25519"},
        {"KeyId": "key", "KeyPairSpec": "ECC_NIST_EDWARDS25519"},
    )


def value_of(secret: str) -> dict[str, Any]:
    value = boto3.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    return dict(json.loads(value))

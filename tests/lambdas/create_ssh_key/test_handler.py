import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from lambdas.common import clients
from lambdas.create_ssh_key import handler as create_ssh_key
from tests.lambdas.conftest import der_key_pair
from tests.lambdas.custom_resources import Answers, answers


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


@pytest.fixture
def cloudformation() -> Iterator[Answers]:
    with answers() as made:
        yield made


def value_of(secret: str) -> dict[str, Any]:
    value = boto3.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    return dict(json.loads(value))


def test_create_makes_a_key_and_returns_its_public_half(secret: str, kms: Stubber, cloudformation: Answers) -> None:
    expect_key_pair(kms)

    create_ssh_key.handler(cloudformation.request("Create"), None)

    [answer] = cloudformation.bodies
    kept = value_of(secret)
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"] == {
        "PublicKey": kept["current"]["public_key"],
        "Fingerprint": kept["current"]["fingerprint"],
    }
    assert kept["current"]["private_key"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    assert kept["pending"] is None
    assert "PRIVATE" not in json.dumps(answer)


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_key_is_never_replaced(secret: str, kms: Stubber, cloudformation: Answers, kind: str) -> None:
    expect_key_pair(kms)
    create_ssh_key.handler(cloudformation.request("Create"), None)
    before = value_of(secret)

    create_ssh_key.handler(cloudformation.request(kind, physical_id=create_ssh_key.PHYSICAL_ID), None)

    first, second = cloudformation.bodies
    assert value_of(secret) == before
    assert (first["Data"], first["PhysicalResourceId"]) == (second["Data"], second["PhysicalResourceId"])


def test_delete_needs_neither_key_nor_secret(aws: None, cloudformation: Answers) -> None:
    create_ssh_key.handler(cloudformation.request("Delete", physical_id="x"), None)

    assert cloudformation.bodies[0]["Status"] == "SUCCESS"


def test_what_kms_refuses_fails_the_resource_at_once(secret: str, kms: Stubber, cloudformation: Answers) -> None:
    kms.add_client_error("generate_data_key_pair", "AccessDeniedException", "no leave to use the key")

    create_ssh_key.handler(cloudformation.request("Create"), None)

    [answer] = cloudformation.bodies
    assert answer["Status"] == "FAILED"
    assert "no leave to use the key" in answer["Reason"]

import json
from collections.abc import Iterator

import pytest
from botocore.stub import Stubber

from lambdas.create_ssh_key import handler as create_ssh_key
from tests.lambdas.create_ssh_key.conftest import expect_key_pair, value_of
from tests.lambdas.custom_resources import Answers, answers


@pytest.fixture
def cloudformation() -> Iterator[Answers]:
    with answers() as made:
        yield made


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

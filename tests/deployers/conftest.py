"""AWS for the tests: moto within the process, or MiniStack and a git host for what has to be real."""

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from pytest_django.fixtures import Settings

from deployers import catalog
from deployers.aws import session
from deployers.services.accounts import trust
from lambdas import package
from lambdas.common.deliveries import DeliveryTable
from sandbox.aws import Aws
from sandbox.git_host import GitHost

TABLE = "deliveries"
_ARCHITECTURES = {"aarch64": "arm64", "arm64": "arm64"}


@pytest.fixture(autouse=True)
def fresh_clients() -> Iterator[None]:
    """No client of one test serves another, as each may reach another AWS."""
    session.forget()
    trust.forget_principal()
    yield
    session.forget()
    trust.forget_principal()


@pytest.fixture
def moto() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def stub_packages(tmp_path: Path, settings: Settings) -> Path:
    """Something in place of each Lambda package."""
    for name in {each for kind in catalog.KINDS.values() for each in kind.packages}:
        (tmp_path / f"{name}.zip").write_bytes(f"zip of {name}".encode())
    settings.LAMBDA_PACKAGES = tmp_path
    return tmp_path


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with Aws(tmp_path_factory.mktemp("aws")) as running:
        yield running


@pytest.fixture(scope="session")
def git_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    with GitHost(tmp_path_factory.mktemp("git")) as running:
        yield running


@pytest.fixture(scope="session")
def built_packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, package.Target]:
    """The real Lambda packages, for this interpreter and machine."""
    directory = tmp_path_factory.mktemp("packages")
    target = package.Target(
        runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        architecture=_ARCHITECTURES.get(platform.machine(), "x86_64"),
    )
    package.build(directory, target)
    return directory, target


@pytest.fixture
def local_aws(ministack: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """MiniStack as the AWS of the panel."""
    for name, value in ministack.env().items():
        monkeypatch.setenv(name, value)
    return ministack


@pytest.fixture
def real_aws(local_aws: Aws, built_packages: tuple[Path, package.Target], settings: Settings) -> Aws:
    """MiniStack as the AWS of the panel, with the Lambda packages at hand."""
    settings.LAMBDA_PACKAGES, target = built_packages
    settings.LAMBDA_RUNTIME, settings.LAMBDA_ARCHITECTURE = target.runtime, target.architecture
    return local_aws


@pytest.fixture
def table(moto: None) -> DeliveryTable:
    client = boto3.client("dynamodb", region_name="us-east-1")
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("id", "feed", "updated_at")],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_update",
                "KeySchema": [
                    {"AttributeName": "feed", "KeyType": "HASH"},
                    {"AttributeName": "updated_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return DeliveryTable(client, TABLE)


@pytest.fixture
def queue_url(moto: None) -> str:
    client = boto3.client("sqs", region_name="us-east-1")
    url: str = client.create_queue(QueueName="zip.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    return url

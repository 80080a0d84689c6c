"""A stack's AWS resources in moto, real git repositories, and a clock-free way to call the functions."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lambdas.common import clients
from lambdas.common.deliveries import DeliveryTable

SECRET = "a webhook secret"
BUCKET = "artifacts-of-acme"


@pytest.fixture(autouse=True)
def _no_clients_kept() -> Iterator[None]:
    """Clients are made once a container; each test is a container of its own."""
    yield
    for make in (clients.dynamodb, clients.sqs, clients.s3, clients.secrets_manager, clients.kms):
        make.cache_clear()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


@dataclass
class Stack:
    """What a stack consists of, for a test."""

    table: DeliveryTable
    queue_url: str
    dead_letters_url: str
    secret_arn: str

    def set_secret(self, **values: str) -> None:
        boto3.client("secretsmanager").put_secret_value(SecretId=self.secret_arn, SecretString=json.dumps(values))

    def messages(self) -> list[dict[str, Any]]:
        """Take every message off the queue."""
        client, found = boto3.client("sqs"), []
        while answer := client.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, AttributeNames=["All"]
        ).get("Messages"):
            for message in answer:
                client.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
            found += answer
        return found

    def all_items(self) -> list[dict[str, Any]]:
        answer = boto3.client("dynamodb").scan(TableName="deliveries")
        return [item for each in answer["Items"] if "feed" in each and (item := self.table.get(each["id"]["S"]))]


@pytest.fixture
def stack(aws: None) -> Stack:
    dynamodb = boto3.client("dynamodb")
    dynamodb.create_table(
        TableName="deliveries",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    sqs = boto3.client("sqs")
    dead = sqs.create_queue(QueueName="dead.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    queue = sqs.create_queue(QueueName="fetch.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    secret = boto3.client("secretsmanager").create_secret(
        Name="provider", SecretString=json.dumps({"webhook_secret": SECRET, "git_token": "a token"})
    )["ARN"]
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return Stack(DeliveryTable(dynamodb, "deliveries"), queue, dead, secret)


@dataclass
class GitRepository:
    """A real repository with a working tree."""

    path: Path

    def git(self, *arguments: str | bytes, **options: Any) -> bytes:
        command = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", *arguments]
        return subprocess.run(command, cwd=self.path, check=True, capture_output=True, **options).stdout

    def commit(self, message: str = "Change") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD").decode().strip()

    def write(self, name: str, content: bytes | str, *, executable: bool = False) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if executable:
            path.chmod(0o755)


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    """A repository with everything that a zip can get wrong: exec bits, symlinks, names, sizes."""
    made = GitRepository(tmp_path / "work")
    made.path.mkdir()
    made.git("init", "-q", "-b", "main")
    made.write("README.md", "# Hello\n" * 50)
    made.write("bin/run", "#!/bin/sh\necho run\n", executable=True)
    made.write("docs/Übersicht – ☃.txt", "grüße\n")
    made.write("deep/er/and/deeper/file.txt", "x")
    made.write("app/app/app.txt", "a folder like its parent")
    made.write("empty", "")
    made.write("random.bin", bytes(range(256)) * 40)
    (made.path / "link").symlink_to("bin/run")
    (made.path / "dangling").symlink_to("../../etc/passwd")
    made.commit("Start")
    return made

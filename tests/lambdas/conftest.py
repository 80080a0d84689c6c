"""A stack's AWS resources in moto, real git repositories, and a clock-free way to call the functions."""

import functools
import itertools
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from moto import mock_aws
from moto.dynamodb.models import DynamoDBBackend
from moto.s3.responses import S3Response

from lambdas.common import clients
from lambdas.common.artifacts import Artifact
from lambdas.common.deliveries import DeliveryTable
from lambdas.common.keys import artifact_key
from lambdas.common.queue import FetchRequest
from lambdas.common.refs import Ref
from lambdas.common.worker import Job
from lambdas.create_ssh_key.openssh import OpenSshKey, from_der
from sandbox.git_host.host import GitHost

SECRET = "a webhook secret"
BUCKET = "artifacts-of-acme"


@pytest.fixture(autouse=True)
def _no_clients_kept() -> Iterator[None]:
    """Clients are made once a container; each test is a container of its own."""
    yield
    for make in vars(clients).values():
        if hasattr(make, "cache_clear") and make.__module__ == clients.__name__:
            make.cache_clear()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


@pytest.fixture
def atomic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conditional writes that are one step, as in AWS; moto looks first and writes then, for any number of threads."""
    for owner, name in ((S3Response, "put_object"), (DynamoDBBackend, "update_item")):
        monkeypatch.setattr(owner, name, _one_at_a_time(getattr(owner, name)))


def _one_at_a_time(call: Callable[..., Any]) -> Callable[..., Any]:
    lock = threading.RLock()

    @functools.wraps(call)
    def locked(*arguments: Any, **named: Any) -> Any:
        with lock:
            return call(*arguments, **named)

    return locked


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
    made.write("docs/Übersicht ☃.txt", "grüße\n")
    made.write("deep/er/and/deeper/file.txt", "x")
    made.write("app/app/app.txt", "a folder like its parent")
    made.write("empty", "")
    made.write("random.bin", bytes(range(256)) * 40)
    (made.path / "link").symlink_to("bin/run")
    (made.path / "dangling").symlink_to("../../etc/passwd")
    made.commit("Start")
    return made


def der_key_pair() -> tuple[bytes, bytes]:
    """An Ed25519 key pair as KMS returns it: PKCS #8 and SubjectPublicKeyInfo, both DER."""
    key = Ed25519PrivateKey.generate()
    return (
        key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
    )


def ssh_key() -> OpenSshKey:
    return from_der(*der_key_pair())


@pytest.fixture(scope="session")
def git_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    with GitHost(tmp_path_factory.mktemp("git-host")) as host:
        yield host


_numbers = itertools.count(1)


@dataclass
class HostedRepository:
    """A repository on the git host, with what is needed to read it."""

    host: GitHost
    work: GitRepository
    full_name: str
    key: OpenSshKey
    token: str

    def publish(self, *options: str) -> str:
        """Bring every ref of the working repository to the host; returns HEAD."""
        bare = GitRepository(self.host.repository_path(self.full_name))
        bare.git("fetch", "-q", "--update-head-ok", *options, str(self.work.path), "+refs/*:refs/*")
        return self.work.head()

    def add_deploy_key(self, key: OpenSshKey) -> None:
        row = self.host.store.repository(*self.full_name.split("/"))
        assert row is not None
        self.host.store.add_deploy_key(row, title="sluice", key=key.public_key, read_only=True, added_by="octocat")


@pytest.fixture
def hosted(git_host: GitHost, repository: GitRepository) -> HostedRepository:
    full_name = f"acme/site-{next(_numbers)}"
    git_host.create_repository(full_name)
    made = HostedRepository(git_host, repository, full_name, ssh_key(), git_host.create_token())
    made.add_deploy_key(made.key)
    made.publish()
    return made


def make_job(
    repository: str, commit: str, *, ref: str = "refs/heads/main", seconds: float = 60, **artifact: str
) -> Job:
    """A job as a worker makes it of a message."""
    request = FetchRequest("delivery-1", repository, ref, commit, "2026-11-23T10:00:00.000000Z", "git_pull")
    values = {"author": "Ada", "message": "Start", "delivery_id": "delivery-1", **artifact}
    key = artifact_key(repository, Ref.parse(ref))
    return Job(request, Artifact(BUCKET, key, commit=commit, ref=ref, **values), time.monotonic() + seconds)


def stored_object(key: str) -> tuple[bytes, dict[str, str], str]:
    """The newest version at a key: its bytes, metadata and version id."""
    answer = boto3.client("s3").get_object(Bucket=BUCKET, Key=key)
    return answer["Body"].read(), answer["Metadata"], answer["VersionId"]


def versions_of(key: str) -> list[str]:
    answer = boto3.client("s3").list_object_versions(Bucket=BUCKET, Prefix=key)
    return [version["VersionId"] for version in answer.get("Versions", [])]

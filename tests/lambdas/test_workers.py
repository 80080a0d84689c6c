"""The two workers as Lambda calls them: environment, secrets, message, artifact, delivery."""

import json
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from lambdas.common.queue import FetchRequest, send
from lambdas.common.statuses import DeliveryStatus
from lambdas.git_pull import handler as git_pull
from lambdas.zip_download import handler as zip_download
from tests.lambdas.conftest import BUCKET, HostedRepository, Stack, stored_object
from tests.lambdas.queue_events import Context, record

CACHE = "histories-of-acme"
CACHES = (git_pull._settings, git_pull._history, git_pull._worker, zip_download._worker, zip_download._secrets)
HANDLERS: dict[str, Callable[..., dict[str, Any]]] = {
    "git_pull": git_pull.handler,
    "zip_download": zip_download.handler,
}


@pytest.fixture(autouse=True)
def environment(
    stack: Stack, hosted: HostedRepository, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    boto3.client("s3").create_bucket(Bucket=CACHE, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    ssh_key = {"current": {"private_key": hosted.key.private_key}, "pending": None}
    arn = boto3.client("secretsmanager").create_secret(Name="ssh-key", SecretString=json.dumps(ssh_key))["ARN"]
    stack.set_secret(git_token=hosted.token)
    variables = {
        "DELIVERIES_TABLE": "deliveries",
        "PROVIDER_SECRET_ARN": stack.secret_arn,
        "PROVIDER_KIND": "github_enterprise",
        "PROVIDER_API_URL": hosted.host.api_url,
        "PROVIDER_CA_BUNDLE": hosted.host.ca_pem,
        "OUTPUT_BUCKET": BUCKET,
        "CACHE_BUCKET": CACHE,
        "SSH_KEY_SECRET_ARN": arn,
        "SSH_HOST": "127.0.0.1",
        "SSH_PORT": str(hosted.host.ssh_port),
        "SSH_USER": "git",
        "SSH_KNOWN_HOSTS": hosted.host.known_hosts_line,
        "QUEUE_URL": stack.queue_url,
        "MAX_RECEIVE_COUNT": "5",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("tmp")))
    yield
    for cached in CACHES:
        cached.cache_clear()


def push(
    stack: Stack,
    hosted: HostedRepository,
    method: str,
    delivery: str = "delivery-1",
    *,
    commit: str = "",
    ref: str = "refs/heads/main",
    doubted: bool = False,
) -> dict[str, Any]:
    """Write a delivery, send its message and take it off the queue again, as Lambda's poller does."""
    received_at = f"2026-11-23T10:00:00.{len(stack.all_items()):06d}Z"
    item = {"id": delivery, "received_at": received_at, "author": "Ada", "doubted": doubted}
    stack.table.create({**item, "status": DeliveryStatus.QUEUED})
    request = FetchRequest(delivery, hosted.full_name, ref, commit or hosted.work.head(), received_at, method)
    client = boto3.client("sqs")
    send(client, stack.queue_url, request)
    [message] = client.receive_message(QueueUrl=stack.queue_url)["Messages"]
    return {"Records": [record(request, receipt=message["ReceiptHandle"])]}


@pytest.mark.parametrize("method", sorted(HANDLERS))
def test_a_message_becomes_an_artifact(stack: Stack, hosted: HostedRepository, method: str) -> None:
    assert HANDLERS[method](push(stack, hosted, method), Context()) == {"batchItemFailures": []}

    item = stack.table.get("delivery-1")
    assert item
    assert item["status"] == "stored"
    data, metadata, version = stored_object(item["artifact_key"])
    assert (item["artifact_version_id"], item["artifact_size"]) == (version, len(data))
    assert (metadata["delivery-id"], metadata["author"]) == ("delivery-1", "Ada")


def test_git_pull_keeps_what_it_fetched_once_the_artifact_is_stored(stack: Stack, hosted: HostedRepository) -> None:
    git_pull.handler(push(stack, hosted, "git_pull"), Context())

    assert boto3.client("s3").list_objects_v2(Bucket=CACHE)["KeyCount"] == 1


def test_git_pull_keeps_nothing_when_little_time_is_left(stack: Stack, hosted: HostedRepository) -> None:
    git_pull.handler(push(stack, hosted, "git_pull"), Context(seconds=20))

    assert (stack.table.get("delivery-1") or {})["status"] == "stored"
    assert boto3.client("s3").list_objects_v2(Bucket=CACHE)["KeyCount"] == 0


@pytest.mark.parametrize("method", sorted(HANDLERS))
def test_a_failure_is_told_and_the_message_comes_back(stack: Stack, hosted: HostedRepository, method: str) -> None:
    event = push(stack, hosted, method)
    boto3.client("s3").delete_bucket(Bucket=BUCKET)

    assert HANDLERS[method](event, Context()) == {"batchItemFailures": [{"itemIdentifier": "message-delivery-1"}]}

    item = stack.table.get("delivery-1")
    assert item
    assert item["status"] == "retrying"
    assert item["reason"].startswith("AWS answered NoSuchBucket to PutObject.")


def test_a_token_that_was_just_replaced_is_read_again(
    stack: Stack, hosted: HostedRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.set_secret(git_token="revoked")
    zip_download._secrets(stack.secret_arn).get()
    stack.set_secret(git_token=hosted.token)
    monkeypatch.setattr("lambdas.common.provider_secret.MIN_INTERVAL", 0.0)

    zip_download.handler(push(stack, hosted, "zip_download"), Context())

    assert (stack.table.get("delivery-1") or {})["status"] == "stored"


@pytest.mark.parametrize("method", sorted(HANDLERS))
def test_no_secret_is_logged_or_kept(
    stack: Stack, hosted: HostedRepository, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = [hosted.token, hosted.key.private_key.splitlines()[2]]
    first = push(stack, hosted, method)
    HANDLERS[method](first, Context())
    boto3.client("sqs").delete_message(QueueUrl=stack.queue_url, ReceiptHandle=first["Records"][0]["receiptHandle"])
    hosted.host.store.revoke_token(hosted.token)
    for key in hosted.host.deploy_keys(hosted.full_name):
        hosted.host.store.delete_deploy_key(key)
    hosted.work.write("new", "file")
    hosted.work.commit("New")
    hosted.publish()
    HANDLERS[method](push(stack, hosted, method, "delivery-2"), Context())

    assert (stack.table.get("delivery-2") or {})["status"] == "failed"
    written = caplog.text + json.dumps(stack.all_items())
    assert not [secret for secret in secrets if secret in written]


@pytest.mark.parametrize("method", sorted(HANDLERS))
def test_a_caught_push_is_not_stored_over_what_came_after(stack: Stack, hosted: HostedRepository, method: str) -> None:
    old = hosted.work.head()
    hosted.work.write("new", "file")
    hosted.work.commit("New")
    hosted.publish()
    HANDLERS[method](push(stack, hosted, method), Context())

    HANDLERS[method](push(stack, hosted, method, "delivery-2", commit=old, doubted=True), Context())

    item = stack.table.get("delivery-2")
    assert item
    now = hosted.work.head()[:12]
    assert item["status"] == "superseded"
    assert item["reason"].startswith(f"The provider says that the branch main points at {now}")


@pytest.mark.parametrize("method", sorted(HANDLERS))
@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/tags/annotated"])
def test_a_ref_that_went_back_is_stored_where_it_stands(
    stack: Stack, hosted: HostedRepository, method: str, ref: str
) -> None:
    hosted.work.git("tag", "-a", "-m", "First", "annotated")
    hosted.publish()

    HANDLERS[method](push(stack, hosted, method, ref=ref, doubted=True), Context())

    assert (stack.table.get("delivery-1") or {})["status"] == "stored"


@pytest.mark.parametrize("method", sorted(HANDLERS))
def test_a_branch_that_is_gone_is_not_stored(stack: Stack, hosted: HostedRepository, method: str) -> None:
    HANDLERS[method](push(stack, hosted, method, ref="refs/heads/gone", doubted=True), Context())

    item = stack.table.get("delivery-1")
    assert item
    assert (item["status"], "branch gone is not there" in item["reason"]) == ("superseded", True)

"""Every call to AWS of one push, with every fault: each time one artifact, and a delivery that says so.

A call fails (AWS refuses it), times out (it is never made), or succeeds and its answer is lost. `a call` is that past
all retries of the client, as the code sees it; `a request` is once on the wire, where the client tries again by itself.
The provider sends a webhook again that was not answered, as the panel's check for missed pushes does in its place.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.client
import botocore.endpoint
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from lambdas.common import worker
from lambdas.git_pull import start as git_pull
from lambdas.webhook_receiver import handler as receiver
from lambdas.zip_download import start as zip_download
from tests.lambdas import test_workers
from tests.lambdas.conftest import SECRET, HostedRepository, Stack, versions_of
from tests.lambdas.github_payloads import event, push
from tests.lambdas.queue_events import Context

environment = test_workers.environment
METHODS: dict[str, Callable[..., dict[str, Any]]] = {
    "zip_download": zip_download.handler,
    "git_pull": git_pull.handler,
}
FAULTS = ("fails", "times out", "loses its answer")
MOST_CALLS = 60


@dataclass
class Saboteur:
    """Breaks the n-th call that is made while `at work`; counts from 0."""

    fault: str = ""
    number: int = -1
    seen: list[str] = field(default_factory=list)
    _working: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        self._working = True
        try:
            yield
        finally:
            self._working = False

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        if not self._working:
            return call()
        with self._lock:
            mine = len(self.seen) == self.number
            self.seen.append(name)
        if not mine:
            return call()
        if self.fault == "fails":
            raise ClientError({"Error": {"Code": "InternalError", "Message": "We broke"}}, name)
        if self.fault == "loses its answer":
            call()
        raise ReadTimeoutError(endpoint_url="https://aws.invalid")


@pytest.fixture
def saboteur(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Saboteur:
    made = Saboteur()
    if request.param == "call":
        owner, method = botocore.client.BaseClient, "_make_api_call"
        original = botocore.client.BaseClient._make_api_call

        def call(client: Any, name: str, arguments: Any) -> Any:
            return made.around(name, lambda: original(client, name, arguments))

        monkeypatch.setattr(owner, method, call)
    else:
        send = botocore.endpoint.Endpoint._get_response

        def respond(endpoint: Any, request: Any, operation: Any, context: Any) -> Any:
            try:
                return made.around(operation.name, lambda: send(endpoint, request, operation, context))
            except ReadTimeoutError as error:
                return None, error

        monkeypatch.setattr(botocore.endpoint.Endpoint, "_get_response", respond)
    # Not what is tested here, and long.
    monkeypatch.setattr(worker, "BACKOFF", (0,))
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    return made


@pytest.fixture
def receiving(stack: Stack, hosted: HostedRepository, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    stack.set_secret(git_token=hosted.token, webhook_secret=SECRET)
    for name, value in {
        "REPOSITORY": hosted.full_name,
        "REFS": "*",
        "PATHS": "",
        "IGNORED_PATHS": "",
        "SKIP_CI": "true",
        "DELIVERY_RETENTION_DAYS": "30",
        "ZIP_DOWNLOAD_QUEUE_URL": stack.queue_url,
        "GIT_PULL_QUEUE_URL": stack.queue_url,
        "ALLOWED_IPS": "",
    }.items():
        monkeypatch.setenv(name, value)
    receiver._receiver.cache_clear()
    yield
    receiver._receiver.cache_clear()


def post(saboteur: Saboteur, webhook: dict[str, Any]) -> int:
    """What the provider is answered; 502 where the function fails."""
    try:
        with saboteur.at_work():
            return int(receiver.handler(webhook, None)["statusCode"])
    except Exception:  # noqa: BLE001 - as API Gateway answers for whatever a function fails of
        return 502


def work(stack: Stack, saboteur: Saboteur, handler: Callable[..., dict[str, Any]]) -> None:
    """What Lambda's poller does until the queue is empty."""
    sqs = boto3.client("sqs")
    for _ in range(20):
        answer = sqs.receive_message(QueueUrl=stack.queue_url, AttributeNames=["All"], VisibilityTimeout=2)
        found = answer.get("Messages", [])
        if not found:
            attributes = sqs.get_queue_attributes(QueueUrl=stack.queue_url, AttributeNames=["All"])["Attributes"]
            if attributes["ApproximateNumberOfMessagesNotVisible"] == "0":
                return
            threading.Event().wait(0.2)
            continue
        message = found[0]
        record = {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
        }
        try:
            with saboteur.at_work():
                failures = handler({"Records": [record]}, Context())["batchItemFailures"]
        except Exception:  # noqa: BLE001 - to Lambda every message of the batch has failed
            continue
        if not failures:
            sqs.delete_message(QueueUrl=stack.queue_url, ReceiptHandle=message["ReceiptHandle"])
    raise AssertionError("The queue does not become empty")


@pytest.mark.parametrize(
    ("saboteur", "method", "fault"),
    [
        *[("call", "zip_download", fault) for fault in FAULTS],
        ("call", "git_pull", "loses its answer"),
        ("request", "zip_download", "loses its answer"),
    ],
    indirect=["saboteur"],
)
@pytest.mark.usefixtures("receiving")
def test_one_push_survives_a_fault_at_each_call(
    stack: Stack, hosted: HostedRepository, saboteur: Saboteur, method: str, fault: str
) -> None:
    path = "/zipdl" if method == "zip_download" else "/gitpull"
    saboteur.fault = fault
    broken: list[str] = []
    for number in range(MOST_CALLS):
        saboteur.number, saboteur.seen = number, []
        ref = f"refs/heads/b{number}"
        payload = push(repository=hosted.full_name, ref=ref, after=hosted.work.head())
        webhook = event(payload, secret=SECRET, path=path, delivery=f"delivery-{number}")
        if post(saboteur, webhook) >= 300:
            assert post(saboteur, webhook) in (200, 202)
        work(stack, saboteur, METHODS[method])

        case = f"{fault} at call {number}: {saboteur.seen[number:][:1]} of {saboteur.seen}"
        key = f"{hosted.full_name}/b{number}/{hosted.full_name.partition('/')[2]}.zip"
        assert len(versions_of(key)) == 1, case
        [delivery] = [each for each in stack.all_items() if each["id"] == f"delivery-{number}"]
        assert delivery["status"] == "stored", (case, json.dumps(delivery, default=str))
        assert delivery["artifact_version_id"] == versions_of(key)[0], case
        if number >= len(saboteur.seen):
            break
        broken.append(saboteur.seen[number])

    assert len(broken) < MOST_CALLS - 1
    assert {"PutItem", "SendMessage", "UpdateItem", "PutObject", "GetSecretValue", "HeadObject"} <= set(broken)

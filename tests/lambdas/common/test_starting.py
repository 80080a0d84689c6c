"""A function that cannot start gives its messages back at once, and says so on their deliveries."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from lambdas.common.queue import FetchRequest, send
from lambdas.common.starting import starting
from lambdas.common.statuses import DeliveryStatus
from tests.lambdas.conftest import Stack
from tests.lambdas.queue_events import Context, record


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a function's own module is written by the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "a_function.py"
    sys.modules.pop("a_function", None)


@pytest.fixture
def message(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A batch as Lambda hands it over, hidden on its queue."""
    for name, value in {"DELIVERIES_TABLE": "deliveries", "QUEUE_URL": stack.queue_url}.items():
        monkeypatch.setenv(name, value)
    request = FetchRequest("a", "acme/site", "refs/heads/main", "c" * 40, "2026-11-23T10:00:00.000000Z", "git_pull")
    stack.table.create({"id": "a", "status": DeliveryStatus.QUEUED})
    client = boto3.client("sqs")
    send(client, stack.queue_url, request)
    [taken] = client.receive_message(QueueUrl=stack.queue_url, VisibilityTimeout=1800)["Messages"]
    return {"Records": [record(request, receipt=taken["ReceiptHandle"], attempt=5)]}


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import a_library_of_another_architecture", "ModuleNotFoundError"),
        ("def handler(event, context): raise RuntimeError('OUTPUT_BUCKET is not set')", "RuntimeError"),
    ],
)
def test_it_hands_its_messages_back(
    stack: Stack, module: Path, message: dict[str, Any], source: str, error: str
) -> None:
    module.write_text(source)

    answer = starting("a_function")(message, Context())

    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-a"}]}
    item = stack.table.get("a")
    assert item
    words = f"The function could not start ({error}); its log has the details"
    assert (item["status"], item["reason"]) == ("failed", f"{words} (attempt 5, the last)")
    assert [each["error"] for each in item["attempts"]] == [words]
    assert boto3.client("sqs").receive_message(QueueUrl=stack.queue_url)["Messages"], "it is there to be tried again"


def test_before_the_last_attempt_it_says_when_it_tries_again(
    stack: Stack, module: Path, message: dict[str, Any]
) -> None:
    module.write_text("raise SystemError")
    message["Records"][0]["attributes"]["ApproximateReceiveCount"] = "1"

    starting("a_function")(message, Context())

    item = stack.table.get("a")
    assert item
    assert item["status"] == "retrying"
    assert item["reason"].endswith("Trying again in 5 s")


@pytest.mark.usefixtures("stack")
def test_what_is_no_batch_fails_as_it_is(module: Path) -> None:
    module.write_text("def handler(event, context): raise RuntimeError('no')")

    with pytest.raises(RuntimeError, match="no"):
        starting("a_function")({"action": "probe"}, Context())


def test_a_function_that_starts_is_called_as_it_is(module: Path) -> None:
    module.write_text("def handler(event, context): return {'seen': event}")

    assert starting("a_function")({"Records": []}, Context()) == {"seen": {"Records": []}}

import json
import threading
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lambdas.common import leash, queue
from lambdas.common.artifacts import StoredArtifact
from lambdas.common.deliveries import Head
from lambdas.common.errors import NotWanted, PermanentFailure, TemporaryFailure
from lambdas.common.statuses import DeliveryStatus
from lambdas.common.worker import Job, run
from tests.lambdas.common.bench import MAX, Bench
from tests.lambdas.conftest import BUCKET, Stack
from tests.lambdas.queue_events import Context, record


def test_a_push_becomes_stored_with_its_version(bench: Bench) -> None:
    message = bench.deliver("a", author="Ada", message="Start")

    assert bench.run(message) == []
    item = bench.item("a")
    assert {name: item[name] for name in ("status", "artifact_bucket", "artifact_key", "artifact_version_id")} == {
        "status": "stored",
        "artifact_bucket": BUCKET,
        "artifact_key": "acme/site/main/site.zip",
        "artifact_version_id": "v-a",
    }
    assert (item["artifact_size"], item["content_digest"], item["reason"]) == (10, "digest", "Stored")
    [attempt] = item["attempts"]
    assert attempt["error"] == ""
    assert attempt["duration_ms"] >= 0
    head = bench.stack.table.head("acme/site", "refs/heads/main")
    assert (head.delivery_id, head.artifact_version_id, head.content_digest) == ("a", "v-a", "digest")


def test_a_push_is_superseded_by_one_that_is_still_on_the_queue(bench: Bench) -> None:
    message = bench.deliver("a")
    bench.stack.table.advance_head("acme/site", "refs/heads/main", Head("b", "2026-11-23T11:00:00.000000Z"))

    assert bench.run(message) == []
    assert bench.fetched == []
    assert bench.status("a") == "superseded"


def test_an_older_push_that_comes_later_does_not_replace_a_newer_artifact(bench: Bench) -> None:
    older, newer = bench.deliver("a"), bench.deliver("b")

    bench.run(newer)
    bench.run(older)

    assert bench.fetched == ["b"]
    assert bench.status("a") == "superseded"


def test_a_message_that_comes_twice_is_fetched_once(bench: Bench) -> None:
    message = bench.deliver("a")

    assert bench.run(message) == []
    assert bench.run(message, attempt=2) == []
    assert bench.fetched == ["a"]


def test_a_fetch_that_died_is_taken_up_again(bench: Bench) -> None:
    message = bench.deliver("a")
    bench.stack.table.move("a", DeliveryStatus.FETCHING, when={DeliveryStatus.QUEUED})

    assert bench.run(message, attempt=2) == []
    assert bench.status("a") == "stored"


def test_a_message_is_hidden_for_as_long_as_its_process_lives(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed = threading.Event()
    monkeypatch.setattr(leash, "RENEW_SECONDS", 0.01)

    def hide(*, ReceiptHandle: str, VisibilityTimeout: int, **_: str) -> None:  # noqa: N803 - boto3's names
        bench.visibility.append((ReceiptHandle.removeprefix("receipt-"), VisibilityTimeout))
        if len(bench.visibility) >= 3:
            renewed.set()

    def fetch(job: Job) -> StoredArtifact:
        assert renewed.wait(10)
        raise TemporaryFailure("Not now")

    monkeypatch.setattr(bench, "change_message_visibility", hide)
    monkeypatch.setattr(bench, "fetch", fetch)
    assert bench.run(bench.deliver("a")) == ["a"]

    *held, last = bench.visibility
    assert set(held) == {("a", leash.HIDDEN_SECONDS)}, "should the process die, it is back within half a minute"
    assert last == ("a", 5), "nothing hides it again once it was handed back"


def test_a_queue_that_does_not_answer_stops_no_fetch(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "change_message_visibility", refusing("ChangeMessageVisibility"))

    assert bench.run(bench.deliver("a")) == []
    assert bench.status("a") == "stored"


def refusing(operation: str) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "later"}}, operation)

    return refuse


@pytest.mark.parametrize("method", ["get", "head", "move", "advance_head", "remember_artifact"])
def test_a_table_that_is_away_hands_the_message_back_within_seconds(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    message = bench.deliver("a")
    with monkeypatch.context() as away:
        away.setattr(bench.stack.table, method, refusing("UpdateItem"))
        assert bench.run(message) == ["a"]

    assert bench.visibility[-1] == ("a", 5)
    if method != "move":
        assert bench.status("a") == "retrying"
        assert bench.item("a")["reason"] == "AWS answered ServiceUnavailable to UpdateItem. Trying again in 5 s"
    assert bench.run(message, attempt=2) == []
    assert bench.status("a") == "stored"


def test_a_permanent_failure_that_cannot_be_written_down_is_not_forgotten(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    message, move = bench.deliver("a"), bench.stack.table.move
    bench.outcomes["a"] = PermanentFailure("No such repository")

    def away(delivery: str, to: DeliveryStatus, **options: Any) -> bool:
        return refusing("UpdateItem")() or False if to is DeliveryStatus.FAILED else move(delivery, to, **options)

    with monkeypatch.context() as patch:
        patch.setattr(bench.stack.table, "move", away)
        assert bench.run(message) == ["a"]

    assert bench.run(message, attempt=2) == []
    assert bench.status("a") == "failed"


def test_a_newer_push_does_not_wait_for_an_older_one_that_is_tried_again(bench: Bench) -> None:
    older = bench.deliver("a")
    bench.outcomes["a"] = TemporaryFailure("Slow down", retry_after=300)
    assert bench.run(older) == ["a"]

    newer = bench.deliver("b")
    groups = [each["attributes"]["MessageGroupId"] for each in (older, newer)]
    assert groups[0] != groups[1], "SQS gives out no message of a group while another one of it is hidden"
    assert bench.run(newer) == []
    assert bench.run(older, attempt=2) == []
    assert [bench.status(each) for each in "ab"] == ["superseded", "stored"]
    assert bench.fetched == ["a", "b"]


def test_a_fetch_that_a_newer_push_overtook_stores_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = Head("b", "2026-11-23T11:00:00.000000Z")

    def fetch(job: Job) -> StoredArtifact:
        bench.stack.table.advance_head("acme/site", "refs/heads/main", newer)
        job.require_newest()
        raise AssertionError("it goes on")

    monkeypatch.setattr(bench, "fetch", fetch)
    assert bench.run(bench.deliver("a")) == []
    assert (bench.status("a"), bench.item("a")["reason"]) == (
        "superseded",
        "A newer push to the same ref took its place",
    )


@pytest.mark.parametrize(("attempt", "delay"), [(1, 5), (2, 30), (3, 120), (4, 300)])
def test_a_temporary_failure_is_tried_again_later_and_later(bench: Bench, attempt: int, delay: int) -> None:
    message = bench.deliver("a")
    bench.outcomes["a"] = TemporaryFailure("api.github.com answered 503")

    assert bench.run(message, attempt=attempt) == ["a"]
    assert bench.visibility[1:] == [("a", delay)]
    assert bench.status("a") == "retrying"
    assert bench.item("a")["reason"] == f"api.github.com answered 503. Trying again in {delay} s"
    assert [each["error"] for each in bench.item("a")["attempts"]] == ["api.github.com answered 503"]


@pytest.mark.parametrize(("asked", "delay"), [(90, 90), (10**6, 3600)])
def test_the_other_side_may_say_when(bench: Bench, asked: int, delay: int) -> None:
    bench.outcomes["a"] = TemporaryFailure("Slow down", retry_after=asked)

    bench.run(bench.deliver("a"))
    assert bench.visibility[1:] == [("a", delay)]


def test_the_last_attempt_fails_the_delivery_and_lets_the_message_go_to_the_dead_letters(bench: Bench) -> None:
    message = bench.deliver("a")
    bench.outcomes["a"] = TemporaryFailure("api.github.com answered 503")

    assert bench.run(message, attempt=MAX) == ["a"]
    assert bench.visibility[1:] == [("a", 0)]
    assert bench.status("a") == "failed"
    assert bench.item("a")["reason"] == "api.github.com answered 503 (attempt 5, the last)"


def test_a_commit_that_turns_out_not_to_be_wanted_is_ignored_for_good(bench: Bench) -> None:
    message = bench.deliver("a", check_paths=True)
    bench.outcomes["a"] = NotWanted("the one changed file matches none of the paths `app`")

    assert bench.run(message) == []
    item = bench.item("a")
    assert (item["status"], item["reason"]) == ("ignored", "the one changed file matches none of the paths `app`")
    assert [each["error"] for each in item["attempts"]] == [""]
    assert bench.run(message, attempt=2) == []
    assert bench.fetched == ["a"]


@pytest.mark.parametrize("attempt", [1, MAX])
def test_a_permanent_failure_fails_at_once_and_says_what_to_do(bench: Bench, attempt: int) -> None:
    message = bench.deliver("a")
    bench.outcomes["a"] = PermanentFailure("The token is not valid: give the provider a new one")

    assert bench.run(message, attempt=attempt) == []
    assert bench.status("a") == "failed"
    assert bench.item("a")["reason"].startswith("The token is not valid: give the provider a new one")


def test_a_failed_delivery_whose_message_was_put_back_is_fetched(bench: Bench) -> None:
    message = bench.deliver("a")
    bench.outcomes["a"] = PermanentFailure("The token is not valid")
    bench.run(message)
    bench.outcomes.clear()

    assert bench.run(message) == []
    assert bench.status("a") == "stored"
    assert [each["error"] for each in bench.item("a")["attempts"]] == ["The token is not valid", ""]


def test_what_aws_refuses_is_named_and_tried_again(bench: Bench) -> None:
    error = {"Error": {"Code": "AccessDenied", "Message": "arn:aws:iam::123456789012:role/x is not authorized"}}
    bench.outcomes["a"] = ClientError(error, "PutObject")

    assert bench.run(bench.deliver("a")) == ["a"]
    assert bench.item("a")["reason"].startswith("AWS answered AccessDenied to PutObject.")


def test_an_unexpected_error_is_a_visible_failure_without_its_text(bench: Bench) -> None:
    bench.outcomes["a"] = RuntimeError("Authorization: Bearer secret")

    assert bench.run(bench.deliver("a"), attempt=MAX) == ["a"]
    assert bench.status("a") == "failed"
    assert "RuntimeError" in bench.item("a")["reason"]
    assert "secret" not in json.dumps(bench.item("a"))


@pytest.mark.parametrize("body", ["", "no json", "[]", "{}", '{"delivery": 1}'])
def test_a_message_that_is_none_of_ours_goes_to_the_dead_letters(bench: Bench, body: str) -> None:
    message = bench.deliver("a")
    message["body"] = body

    assert bench.run(message) == ["a"]
    assert bench.fetched == []


def test_a_message_for_an_unknown_delivery_goes_to_the_dead_letters(bench: Bench) -> None:
    request = queue.FetchRequest("gone", "acme/site", "refs/heads/main", "c" * 40, "2026", "zip_download")

    assert bench.run(record(request)) == ["gone"]


def test_a_job_notices_that_its_time_is_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[Callable[[], None]] = []
    monkeypatch.setattr(Bench, "fetch", lambda self, job: times.append(job.check_time) or job.check_time())

    run(bench.worker(), {"Records": [bench.deliver("a")]}, Context(seconds=4))

    assert "longer than the function may run" in bench.item("a")["reason"]


def test_a_message_is_sent_once_until_it_is_asked_for_again(stack: Stack) -> None:
    client = boto3.client("sqs")
    request = queue.FetchRequest("a", "acme/site", "refs/heads/main", "c" * 40, "2026", "git_pull")
    queue.send(client, stack.queue_url, request)
    queue.send(client, stack.queue_url, request)
    queue.send(client, stack.queue_url, request, requeued_at="2027")

    messages = stack.messages()
    assert len(messages) == 2
    assert queue.FetchRequest.from_json(messages[0]["Body"]) == request

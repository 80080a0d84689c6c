import json
import time
from typing import Any

import boto3
import pytest

from lambdas.common.deliveries import head_id
from lambdas.common.signatures import secret_id
from lambdas.common.statuses import DeliveryStatus
from lambdas.webhook_receiver import handler as receiver_handler
from tests.lambdas import github_payloads as github
from tests.lambdas.conftest import SECRET, Stack
from tests.lambdas.webhook_receiver.conftest import DELIVERY, OTHER, Configure, Post


def test_a_push_is_written_down_queued_and_acknowledged(post: Post, stack: Stack) -> None:
    code, answer = post(github.push())

    assert (code, answer) == (202, {"delivery": DELIVERY, "status": "queued", "reason": "Queued for git pull"})
    item = stack.table.get(DELIVERY)
    assert item
    assert {name: item[name] for name in ("status", "event", "repository", "ref", "commit", "before", "sender")} == {
        "status": "queued",
        "event": "push",
        "repository": "acme/site",
        "ref": "refs/heads/main",
        "commit": github.AFTER,
        "before": github.BEFORE,
        "sender": "ada",
    }
    assert (item["author"], item["message"], item["method"]) == ("Ada Lövelace", "Greet people properly", "git_pull")
    assert json.loads(item["request_body"])["ref"] == "refs/heads/main"
    [message] = stack.messages()
    assert json.loads(message["Body"]) == {
        "delivery": DELIVERY,
        "repository": "acme/site",
        "ref": "refs/heads/main",
        "commit": github.AFTER,
        "received_at": item["received_at"],
        "method": "git_pull",
    }
    assert message["Attributes"]["MessageGroupId"] == message["Attributes"]["MessageDeduplicationId"]


def test_no_push_waits_for_another_one(post: Post, stack: Stack) -> None:
    post(github.push())
    post(github.push(before=github.AFTER, after="a" * 40), delivery=OTHER)

    assert len({each["Attributes"]["MessageGroupId"] for each in stack.messages()}) == 2


def test_the_head_of_the_ref_names_the_newest_delivery(post: Post, stack: Stack) -> None:
    post(github.push())
    post(github.push(before=github.AFTER, after="a" * 40), delivery=OTHER)

    head = stack.table.head("acme/site", "refs/heads/main")
    assert (head.delivery_id, head.commit) == (OTHER, "a" * 40)
    assert "feed" not in (stack.table.get(head_id("acme/site", "refs/heads/main")) or {})


@pytest.mark.parametrize(("path", "method"), [("/zipdl", "zip_download"), ("/v1/gitpull", "git_pull")])
def test_the_path_chooses_the_method(post: Post, stack: Stack, path: str, method: str) -> None:
    post(github.push(), path=path)

    [message] = stack.messages()
    assert json.loads(message["Body"])["method"] == method


@pytest.mark.parametrize("options", [{"form": True}, {"base64_encoded": True}, {"form": True, "base64_encoded": True}])
def test_bodies_in_every_wrapping_are_read(post: Post, options: dict[str, bool]) -> None:
    code, _ = post(github.push(), **options)

    assert code == 202


@pytest.mark.parametrize(
    ("payload", "name", "reason"),
    [
        (github.ping(), "ping", "ping: the webhook works"),
        ({"action": "opened", "issue": {}}, "issues", "issues: only pushes are mirrored"),
        (
            github.push(ref="refs/heads/dev"),
            "push",
            "branch `dev` matches none of `main`, `release/*`, `tags:v*`",
        ),
        (
            github.push(ref="refs/tags/1.0"),
            "push",
            "tag `1.0` matches none of `main`, `release/*`, `tags:v*`",
        ),
        (
            github.push(ref="refs/notes/x"),
            "push",
            "ref `notes/x` matches none of `main`, `release/*`, `tags:v*`",
        ),
        (github.push(after=github.ZERO), "push", "The branch main was deleted; its artifacts are kept"),
        (github.push(repository="acme/other"), "push", "This stack mirrors acme/site, not acme/other"),
    ],
)
def test_what_is_not_mirrored_is_logged_with_its_reason(
    post: Post, stack: Stack, payload: dict[str, Any], name: str, reason: str
) -> None:
    code, answer = post(payload, name=name)

    assert (code, answer) == (200, {"delivery": DELIVERY, "status": "ignored", "reason": reason})
    item = stack.table.get(DELIVERY)
    assert item
    assert (item["status"], item["reason"], item["event"]) == ("ignored", reason, name)
    assert stack.messages() == []


def test_a_tag_is_queued_with_the_commit_that_it_points_at(post: Post, stack: Stack) -> None:
    payload = github.push(ref="refs/tags/v1", before=github.ZERO, after="b" * 40)
    payload["head_commit"]["id"] = github.AFTER  # `after` of an annotated tag is the tag object

    assert post(payload)[0] == 202
    [message] = stack.messages()
    assert json.loads(message["Body"])["commit"] == github.AFTER


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"secret": "guessed"}, "The signature does not match"),
        ({"headers": {"x-hub-signature-256": ""}}, "The request is not signed"),
        ({"headers": {"x-hub-signature-256": "sha1=abc"}}, "The signature does not match"),
        ({"headers": {"x-hub-signature-256": "sha256=ä☃"}}, "The signature does not match"),
    ],
)
def test_a_forged_delivery_is_refused_and_logged_beside_the_real_one(
    post: Post, stack: Stack, options: dict[str, Any], reason: str
) -> None:
    code, answer = post(github.push(), request_id="forged", **options)

    assert code == 401
    assert answer["reason"].startswith(reason)
    assert stack.table.get(DELIVERY) is None
    item = stack.table.get("rejected-forged")
    assert item
    assert (item["status"], item["provider_delivery_id"], item["source_ip"]) == ("rejected", DELIVERY, "140.82.112.7")
    assert stack.messages() == []
    assert post(github.push())[0] == 202


def test_a_signed_body_that_was_changed_is_refused(post: Post, configure: Configure) -> None:
    event = github.event(github.push(), secret=SECRET)
    event["body"] = event["body"].replace("main", "evil")

    assert receiver_handler.handler(event, None)["statusCode"] == 401


def test_without_a_secret_nothing_is_accepted(post: Post, stack: Stack) -> None:
    stack.set_secret(git_token="a token")

    code, answer = post(github.push(), secret="")

    assert (code, answer["reason"]) == (401, "This stack has no webhook secret (ApiSecret), so it accepts nothing")


def test_during_a_rotation_both_secrets_are_valid_and_each_delivery_tells_which_signed_it(
    post: Post, stack: Stack
) -> None:
    stack.set_secret(webhook_secret="new", webhook_secret_previous=SECRET)

    assert post(github.push(), secret="new")[0] == 202
    assert post(github.push(), delivery=OTHER, secret=SECRET)[0] == 202

    signed_with = {item["id"]: item["secret_id"] for item in stack.all_items()}
    assert signed_with.pop(OTHER) == secret_id(SECRET)
    assert list(signed_with.values()) == [secret_id("new")]


def test_a_rotated_secret_is_read_again_when_a_signature_fails(
    post: Post, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(github.ping(), name="ping")
    stack.set_secret(webhook_secret="new")
    monkeypatch.setattr("lambdas.common.provider_secret.MIN_INTERVAL", 0.0)

    assert post(github.push(), delivery=OTHER, secret="new")[0] == 202


def test_forgeries_do_not_make_the_secret_be_read_each_time(post: Post, stack: Stack) -> None:
    post(github.push(), secret="guessed", request_id="1")
    stack.set_secret(webhook_secret="new")

    assert post(github.push(), secret="new", request_id="2")[0] == 401


@pytest.mark.parametrize(
    "body",
    ["", "no json", "[1]", '"text"', "{", "[" * 100_000, '{"ref": 1}', json.dumps({"ref": "refs/heads/../../x"})],
)
def test_a_signed_body_that_is_no_payload_is_a_bad_request(post: Post, stack: Stack, body: str) -> None:
    code, answer = post(body, request_id="bad")

    assert (code, answer["status"]) == (400, "rejected")
    assert (stack.table.get("rejected-bad") or {})["reason"] == answer["reason"]


@pytest.mark.parametrize(
    "changes",
    [
        {"repository": "../secrets"},
        {"repository": "acme"},
        {"repository": "acme/../../x"},
        {"ref": "main"},
        {"ref": "refs/heads/a..b"},
        {"after": "HEAD"},
        {"before": "x"},
    ],
)
def test_names_that_are_no_names_are_a_bad_request(post: Post, changes: dict[str, str]) -> None:
    assert post(github.push(**changes))[0] == 400


def test_a_body_past_the_limit_is_refused_before_it_is_read(post: Post) -> None:
    assert post("x" * (6 * 1024 * 1024 + 1))[0] == 413


def test_requests_from_elsewhere_are_refused_though_signed(post: Post, configure: Configure) -> None:
    configure(ALLOWED_IPS="140.82.112.0/20, 2a0a:a440::/29")

    assert post(github.push(), source_ip="203.0.113.9", request_id="1")[0] == 401
    assert post(github.push(), source_ip="2a0a:a440::7")[0] == 202
    assert post(github.push(), delivery=OTHER)[0] == 202


def test_an_allowed_address_replaces_no_signature(post: Post, configure: Configure) -> None:
    configure(ALLOWED_IPS="140.82.112.0/20")

    assert post(github.push(), secret="guessed")[0] == 401


def test_the_same_delivery_again_is_answered_and_not_queued(post: Post, stack: Stack) -> None:
    post(github.push())
    stack.table.move(DELIVERY, DeliveryStatus.STORED, when={DeliveryStatus.QUEUED})

    code, answer = post(github.push())

    assert (code, answer["status"]) == (200, "stored")
    assert len(stack.messages()) == 1


def test_a_delivery_that_was_written_but_never_sent_is_sent_when_it_comes_again(
    post: Post, stack: Stack, configure: Configure
) -> None:
    configure(GIT_PULL_QUEUE_URL="https://sqs.eu-west-1.amazonaws.com/123456789012/gone.fifo")
    with pytest.raises(boto3.client("sqs").exceptions.QueueDoesNotExist):
        post(github.push())
    assert (stack.table.get(DELIVERY) or {})["status"] == "received"
    assert stack.table.head("acme/site", "refs/heads/main").delivery_id == ""

    configure(GIT_PULL_QUEUE_URL=stack.queue_url)
    code, _ = post(github.push())

    assert code == 202
    assert len(stack.messages()) == 1
    assert (stack.table.get(DELIVERY) or {})["status"] == "queued"


@pytest.mark.parametrize("ended", [DeliveryStatus.FAILED, DeliveryStatus.IGNORED])
def test_a_delivery_that_failed_or_was_ignored_is_queued_when_it_is_sent_again(
    post: Post, stack: Stack, ended: DeliveryStatus
) -> None:
    post(github.push())
    stack.messages()
    stack.table.move(DELIVERY, ended, when={DeliveryStatus.QUEUED}, reason="The token is not valid")

    code, _ = post(github.push())

    assert code == 202
    assert len(stack.messages()) == 1, "not taken for the first message, although that was sent within five minutes"


@pytest.mark.parametrize("delivery", ["", "rejected-x", "head#x", "../../x", "☃" * 300])
def test_odd_delivery_ids_become_safe_and_stay_the_same(post: Post, stack: Stack, delivery: str) -> None:
    code, answer = post(github.push(), delivery=delivery)

    assert code == 202
    assert not answer["delivery"].startswith(("rejected-", "head#"))
    assert len(answer["delivery"]) <= 100
    assert post(github.push(), delivery=delivery)[0] == 200


def test_no_secret_and_no_signature_is_kept(post: Post, stack: Stack) -> None:
    headers = {"authorization": "Basic c2VjcmV0", "cookie": "a=secret", "x-gitlab-token": SECRET}
    post(github.push(), headers=headers)
    post(github.push(), headers=headers, secret="guessed")

    for item in stack.all_items():
        kept = json.loads(item["request_headers"])
        assert {kept[name] for name in (*headers, "x-hub-signature-256")} == {"(removed)"}
        assert SECRET not in json.dumps(item)


def test_large_requests_are_kept_in_part_and_forged_ones_for_less_time(post: Post, stack: Stack) -> None:
    post(github.push(padding="x" * 200_000), headers={f"x-{n}": "y" * 900 for n in range(50)})
    post(github.push(padding="x" * 200_000), secret="guessed", request_id="1")

    item, rejected = stack.table.get(DELIVERY), stack.table.get("rejected-1")
    assert item
    assert rejected
    assert len(item["request_body"].encode()) == 64 * 1024
    assert item["request_body_truncated"] is True
    assert len(item["request_headers"]) <= 8 * 1024
    assert len(rejected["request_body"].encode()) == 2048
    assert rejected["expires_at"] < item["expires_at"]


def test_another_path_is_not_found(post: Post, stack: Stack) -> None:
    assert post(github.push(), path="/other")[0] == 404
    assert stack.all_items() == []


def test_forgeries_fill_no_table(post: Post, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdas.webhook_receiver.receive.timestamp", lambda: "2026-11-23T10:00:30.000000Z")

    answers = [post(github.push(), secret="guessed", request_id=f"{number:02}") for number in range(20)]

    assert {code for code, _ in answers} == {401}
    written = {item["id"]: item["reason"] for item in stack.all_items()}
    assert sorted(written) == [f"rejected-{number:02}" for number in range(5)]
    assert written["rejected-04"].endswith("More that are rejected in this minute are counted, and not listed")
    counted = stack.table.get("rejected#2026-11-23T10:00")
    assert counted
    assert counted["requests"] == 20
    assert 0 < counted["expires_at"] - time.time() < 8 * 24 * 3600
    assert post(github.push())[0] == 202


def test_each_minute_shows_its_first_forgeries(post: Post, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    for minute in range(3):
        monkeypatch.setattr(
            "lambdas.webhook_receiver.receive.timestamp", lambda now=f"2026-11-23T10:0{minute}:30.000000Z": now
        )
        for number in range(7):
            post("no payload", request_id=f"{minute}-{number}")

    assert len(stack.all_items()) == 15

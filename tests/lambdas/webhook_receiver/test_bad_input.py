"""What nobody should send, to the receiver of every kind: never a fetch, never a 5xx, always a reason in the log."""

import json
from dataclasses import replace
from typing import Any

import pytest

from lambdas.common.providers import PROVIDERS
from tests.lambdas import webhooks
from tests.lambdas.conftest import SECRET, Stack
from tests.lambdas.webhook_receiver.conftest import Configure, Send
from tests.lambdas.webhooks import FACTS, Webhook, secret_of

KINDS = sorted(PROVIDERS)
SHA_1 = "sha1=" + "a" * 40


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, stack: Stack) -> str:
    name: str = request.param
    stack.set_secret(webhook_secret=secret_of(name))
    return name


def with_signature(webhook: Webhook, value: str | None) -> Webhook:
    header = FACTS[webhook.kind]["signature"]["header"]
    headers = {name: text for name, text in webhook.headers.items() if name != header}
    return replace(webhook, headers=headers if value is None else {**headers, header: value})


def assert_refused(stack: Stack, answer: tuple[int, dict[str, Any]], code: int) -> None:
    """It has this code, a reason that is logged too, and nothing is to be fetched."""
    assert answer[0] == code
    assert answer[1]["status"] == "rejected"
    assert len(answer[1]["reason"]) > 10
    [item] = stack.all_items()
    assert (item["id"], item["status"], item["reason"]) == (answer[1]["delivery"], "rejected", answer[1]["reason"])
    assert stack.messages() == []


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "sha256=",
        "sha256",
        "v1,",
        "wrong",
        SHA_1,
        "sha256=" + "0" * 64,
        "0" * 64,
        "sha256=ä☃",
        "v1,ä☃",
        "\udcff",
    ],
)
def test_signatures_that_are_none(kind: str, send: Send, stack: Stack, signature: str | None) -> None:
    signed = webhooks.push(kind).signed(secret_of(kind))

    assert_refused(stack, send(with_signature(signed, signature)), 401)


def test_a_signature_of_sha_1_beside_none(kind: str, send: Send, stack: Stack) -> None:
    webhook = webhooks.push(kind).with_headers(x_hub_signature=SHA_1, x_signature="1")

    assert_refused(stack, send(webhook), 401)


@pytest.mark.parametrize("place", [0, 100, -1])
def test_one_byte_changed(kind: str, send: Send, stack: Stack, place: int) -> None:
    signed = webhooks.push(kind).signed(secret_of(kind))
    changed = bytearray(signed.body)
    changed[place] ^= 1

    assert_refused(stack, send(replace(signed, body=bytes(changed))), 401)


def test_without_a_secret_in_the_stack(kind: str, send: Send, stack: Stack) -> None:
    stack.set_secret(git_token="a token")

    assert_refused(stack, send(webhooks.push(kind).signed(secret_of(kind))), 401)


BODIES = {
    "empty": b"",
    "not JSON": b"no json",
    "not UTF-8": b'{"ref": "refs/heads/\xff\xfe"}',
    "UTF-16": '{"ref": 1}'.encode("utf-16"),
    "a list": b"[]",
    "no fields": b"{}",
    "deep": b"[" * 200_000,
    "deep object": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "huge number": b'{"ref": ' + b"9" * 10_000 + b"}",
    "NaN": b'{"ref": NaN, "after": Infinity}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_signed_bodies_that_are_no_payload(kind: str, send: Send, stack: Stack, body: bytes) -> None:
    webhook = replace(webhooks.push(kind), body=body).signed(secret_of(kind))

    assert_refused(stack, send(webhook), 400)


def test_ten_megabytes_and_one_byte(kind: str, send: Send, stack: Stack) -> None:
    webhook = replace(webhooks.push(kind), body=b"x" * (10 * 1024 * 1024 + 1)).signed(secret_of(kind))

    assert_refused(stack, send(webhook), 413)


def test_another_repository(kind: str, send: Send, stack: Stack, configure: Configure) -> None:
    configure(REPOSITORY="acme/other")

    code, answer = send(webhooks.push(kind).signed(secret_of(kind)))

    assert (code, answer["status"]) == (200, "ignored")
    assert "mirrors acme/other" in answer["reason"]
    assert [item["reason"] for item in stack.all_items()] == [answer["reason"]]
    assert stack.messages() == []


def _point_elsewhere(value: Any) -> Any:
    """Every address in a payload is that of another host."""
    match value:
        case dict():
            return {name: _point_elsewhere(each) for name, each in value.items()}
        case list():
            return [_point_elsewhere(each) for each in value]
        case str() if "://" in value or value.startswith("git@"):
            return "https://169.254.169.254/latest/meta-data"
    return value


def test_addresses_in_a_payload_are_never_used(kind: str, send: Send, stack: Stack) -> None:
    webhook = webhooks.push(kind)
    payload = _point_elsewhere(webhook.payload)
    assert payload != webhook.payload

    code, _ = send(webhook.with_payload(payload).signed(secret_of(kind)))

    assert code == 202
    [message] = stack.messages()
    request = json.loads(message["Body"])
    assert "169.254" not in message["Body"]
    assert set(request) == {"delivery", "repository", "ref", "commit", "received_at", "method"}


@pytest.mark.parametrize("ref", ["../../evil", "main\n", "a..b", "x" * 600, "-\udcff", "refs/heads/x"])
def test_names_that_lead_elsewhere(kind: str, send: Send, stack: Stack, configure: Configure, ref: str) -> None:
    configure(REFS="**")
    payload: Any = webhooks.push(kind).payload
    branch = FACTS[kind]["branch"]
    *path, last = branch["at"]
    place = payload
    for key in path:
        place = place[key]
    place[last] = branch["before"] + ref

    code, answer = send(webhooks.push(kind).with_payload(payload).signed(secret_of(kind)))

    assert code in (200, 400)
    assert answer["reason"]
    assert stack.messages() == []


def test_webhooks_of_other_kinds(kind: str, stack: Stack, send: Send) -> None:
    """The kind is the stack's, whatever a request's headers say."""
    for other in KINDS:
        if PROVIDERS[other] is PROVIDERS[kind]:
            continue
        code, answer = send(replace(webhooks.push(other).signed(SECRET), kind=kind))

        assert code in (200, 400, 401)
        assert answer["status"] in ("ignored", "rejected")
        assert answer["reason"]
    assert stack.messages() == []


@pytest.mark.parametrize("field", ["headers", "body", "requestContext"])
def test_an_event_without_a_body_or_headers(kind: str, configure: Configure, stack: Stack, field: str) -> None:
    from lambdas.webhook_receiver import handler

    configure(PROVIDER_KIND=kind)
    event = webhooks.push(kind).signed(secret_of(kind)).event()
    if field == "requestContext":
        del event["requestContext"]["http"]
        assert handler.handler(event, None)["statusCode"] == 202
        return
    event[field] = None
    assert handler.handler(event, None)["statusCode"] == 401

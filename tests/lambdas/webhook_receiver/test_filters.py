"""Which accepted pushes are ignored, and in which words."""

from dataclasses import replace

import pytest

from lambdas.common.providers import PROVIDERS
from lambdas.webhook_receiver.receive import MAX_IGNORED
from tests.lambdas import webhooks
from tests.lambdas.conftest import SECRET, Stack
from tests.lambdas.webhook_receiver.conftest import Configure, Send

KINDS = sorted(PROVIDERS)


def lists_files(webhook: webhooks.Webhook) -> bool:
    return PROVIDERS[webhook.kind].webhooks.parse(webhook.headers, webhook.body).changes[0].files is not None


@pytest.mark.parametrize("kind", KINDS)
def test_a_push_of_every_kind_is_queued(kind: str, send: Send, stack: Stack) -> None:
    webhook = webhooks.push(kind).signed(SECRET)

    code, answer = send(webhook)

    assert (code, answer["status"]) == (202, "queued")
    item = stack.table.get(answer["delivery"])
    assert item
    change = webhook.understood["changes"][0]
    assert {name: item[name] for name in ("ref", "commit", "before", "sender", "author", "message")} == {
        name: change[name] for name in ("ref", "commit", "before", "sender", "author", "message")
    }
    assert item["repository"] == "acme/site", "as the stack writes it, not in the payload's case"
    assert item["provider_delivery_id"] == webhook.understood["delivery_id"]
    assert len(stack.messages()) == 1


@pytest.mark.parametrize("kind", [kind for kind, facts in webhooks.FACTS.items() if "skip_ci" in facts])
def test_a_commit_that_says_skip_ci_is_ignored_unless_the_stack_minds_not(
    kind: str, send: Send, stack: Stack, configure: Configure
) -> None:
    webhook = webhooks.load(kind, webhooks.FACTS[kind]["skip_ci"]).signed(SECRET)

    code, answer = send(webhook)
    assert (code, answer["reason"]) == (200, "the commit's message says [skip ci] or [ci skip]")
    assert stack.messages() == []

    configure(SKIP_CI="false")
    assert send(webhook)[0] == 202


def test_a_tag_on_a_commit_that_says_skip_ci_is_queued(send: Send) -> None:
    webhook = webhooks.load("github", "push__annotated_tag")
    payload = webhook.payload
    payload["head_commit"]["message"] = "Release 1.0 [skip ci]"

    assert send(webhook.with_payload(payload).signed(SECRET))[0] == 202


@pytest.mark.parametrize(
    ("paths", "ignored", "reason"),
    [
        ("app/**", "", "each of the 3 changed files matches none of the paths `app/**`"),
        ("", "**/*.md,*.txt", "each of the 3 changed files matches the ignored paths `**/*.md`, `*.txt`"),
        ("docs", "", ""),
        ("", "docs", ""),
    ],
)
def test_a_push_of_which_github_lists_all_files(
    send: Send, stack: Stack, configure: Configure, paths: str, ignored: str, reason: str
) -> None:
    configure(PATHS=paths, IGNORED_PATHS=ignored)

    code, answer = send(webhooks.push("github").signed(SECRET))

    assert code == (200 if reason else 202)
    assert len(stack.messages()) == (0 if reason else 1)
    item = stack.table.get(answer["delivery"])
    assert item
    assert item["reason"] == reason or not reason
    assert not item.get("check_paths")


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, webhooks.FACTS[kind]["push"]) for kind in KINDS if not lists_files(webhooks.push(kind))]
    + [("github", "push__forced"), ("github", "push__merge_without_files")],
)
def test_where_not_all_files_are_known_the_worker_is_to_look(
    send: Send, stack: Stack, configure: Configure, kind: str, name: str
) -> None:
    configure(PATHS="app/**")

    code, answer = send(webhooks.load(kind, name).signed(SECRET))

    assert code == 202
    assert (stack.table.get(answer["delivery"]) or {})["check_paths"] is True


def test_tags_are_mirrored_whatever_files_they_change(send: Send, stack: Stack, configure: Configure) -> None:
    configure(PATHS="app/**")

    code, answer = send(webhooks.load("gitlab", "tag_push__annotated").signed(SECRET))

    assert code == 202
    assert (stack.table.get(answer["delivery"]) or {})["check_paths"] is False


def test_each_change_of_a_push_is_decided_and_logged(send: Send, stack: Stack) -> None:
    webhook = webhooks.load("bitbucket_cloud", "repo_push__several_changes").signed(SECRET)

    code, answer = send(webhook)

    first = webhook.understood["delivery_id"]
    assert (code, answer["delivery"]) == (202, first)
    items = {item["id"]: (item["ref"], item["status"]) for item in stack.all_items()}
    assert items == {
        first: ("refs/heads/main", "queued"),
        f"{first}-2": ("refs/tags/v1", "queued"),
        f"{first}-3": ("refs/heads/old", "ignored"),
    }
    assert len(stack.messages()) == 2
    assert send(webhook)[0] == 200, "sent again, nothing is queued twice"
    assert stack.messages() == []


def test_thousands_of_refs_in_one_push_do_not_hide_the_one_that_counts(send: Send, stack: Stack) -> None:
    webhook = webhooks.push("bitbucket_server")
    payload = webhook.payload
    [wanted] = payload["changes"]
    others = [{**wanted, "ref": {"id": f"refs/heads/topic-{n}"}} for n in range(MAX_IGNORED + 20)]
    payload["changes"] = [*others, wanted]

    code, answer = send(webhook.with_payload(payload).signed(SECRET))

    assert (code, answer["status"]) == (202, "queued")
    assert len(stack.all_items()) == MAX_IGNORED + 1


def test_the_test_connection_of_data_center_is_a_ping(send: Send, stack: Stack) -> None:
    ping = webhooks.load("bitbucket_server", "diagnostics_ping__test_connection")

    assert send(ping.signed(SECRET))[1]["reason"] == "ping: the webhook works"
    assert send(replace(ping, body=b"").signed(SECRET))[0] == 200

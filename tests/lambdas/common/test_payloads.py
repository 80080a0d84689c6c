import json
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.common.errors import BadPayload, InvalidName
from lambdas.common.keys import artifact_key
from lambdas.common.providers import PROVIDERS
from lambdas.common.refs import Ref
from tests.lambdas import webhooks
from tests.lambdas.webhooks import Webhook

KINDS = sorted(PROVIDERS)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("webhook", webhooks.ALL, ids=lambda webhook: f"{webhook.kind}-{webhook.name}")
def test_every_event_is_understood(webhook: Webhook) -> None:
    request = PROVIDERS[webhook.kind].webhooks.parse(webhook.headers, webhook.body)

    understood = json.loads(json.dumps(asdict(request)))
    # Told apart at Bitbucket alone, where a push may list no changes.
    pushed = webhook.kind in {"bitbucket_cloud", "bitbucket_server"} and bool(request.changes)
    assert understood.pop("is_push") == pushed
    assert understood == webhook.understood


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_push_a_new_branch_a_deleted_one_and_a_tag(kind: str) -> None:
    if kind == "github_enterprise":
        assert PROVIDERS[kind].webhooks is PROVIDERS["github"].webhooks
        return
    changes = [change for webhook in webhooks.ALL if webhook.kind == kind for change in webhook.understood["changes"]]

    assert any(change["commit"] and change["before"] for change in changes)
    assert any(not change["before"] for change in changes)
    assert any(change["commit"] is None for change in changes)
    assert any(change["ref"].startswith("refs/tags/") for change in changes)
    assert any(change["skip_ci"] for change in changes)
    assert any(webhook.kind == kind and not webhook.understood["changes"] for webhook in webhooks.ALL)


@pytest.mark.parametrize("kind", ["github", "gitea"])
def test_a_form_holds_the_same(kind: str) -> None:
    webhook = webhooks.push(kind).with_headers(content_type="application/x-www-form-urlencoded")
    body = urlencode({"payload": webhook.body.decode()}).encode()

    assert (
        PROVIDERS[kind].webhooks.parse(webhook.headers, body).changes[0].commit
        == webhook.understood["changes"][0]["commit"]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_without_the_header_that_names_its_event_is_none_of_theirs(kind: str) -> None:
    with pytest.raises(BadPayload, match="There is no X-"):
        PROVIDERS[kind].webhooks.parse({"content-type": "application/json"}, webhooks.push(kind).body)


@pytest.mark.parametrize("count", [2047, 2048])
def test_the_files_of_a_push_are_unknown_when_github_may_have_left_commits_out(count: int) -> None:
    webhook = webhooks.push("github")
    payload = webhook.payload
    payload["commits"] = payload["commits"][:1] * count

    [change] = PROVIDERS["github"].webhooks.parse(webhook.headers, webhook.with_payload(payload).body).changes
    assert (change.files is None) == (count == 2048)


@pytest.mark.parametrize("count", [2999, 3000])
def test_the_files_of_a_push_are_unknown_when_github_may_have_left_files_out(count: int) -> None:
    webhook = webhooks.push("github")
    payload = webhook.payload
    payload["commits"] = [{"added": [f"file-{n}" for n in range(count)], "modified": [], "removed": []}]

    [change] = PROVIDERS["github"].webhooks.parse(webhook.headers, webhook.with_payload(payload).body).changes
    assert (change.files is None) == (count == 3000)


def _parse(webhook: Webhook) -> None:
    """Whatever the body, the answer is a payload whose keys stay in their repository's prefix, or BadPayload."""
    try:
        request = PROVIDERS[webhook.kind].webhooks.parse(webhook.headers, webhook.body)
    except BadPayload:
        return
    for change in request.changes:
        try:
            key = artifact_key(change.repository, Ref.parse(change.ref))
        except InvalidName:
            continue
        assert key.startswith(change.repository + "/")
        assert ".." not in key.split("/")


@given(st.sampled_from(KINDS), st.binary(max_size=300), st.booleans())
def test_no_bytes_crash_a_parser(kind: str, body: bytes, form: bool) -> None:
    webhook = webhooks.push(kind)
    content_type = "application/x-www-form-urlencoded" if form else "application/json"
    _parse(Webhook(kind, "", {**webhook.headers, "content-type": content_type}, body, {}))


@given(st.sampled_from(KINDS), json_values)
def test_no_json_crashes_a_parser(kind: str, document: object) -> None:
    _parse(webhooks.push(kind).with_payload(document))


@given(st.sampled_from(webhooks.ALL), st.data(), json_values)
def test_no_odd_value_anywhere_crashes_a_parser(webhook: Webhook, data: st.DataObject, value: object) -> None:
    payload: Any = webhook.payload
    place = payload
    while True:
        keys: list[Any] = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        place = inner
    place[key] = value
    _parse(webhook.with_payload(payload))


names = st.text() | st.lists(st.sampled_from(["..", ".", "", "a", "/", "\\", "\0", "refs", "heads"])).map("/".join)


@given(st.sampled_from(KINDS), st.data(), names, st.sampled_from(["", "refs/heads/", "refs/tags/", "acme/"]))
def test_no_name_in_a_payload_leads_out_of_its_prefix(kind: str, data: st.DataObject, name: str, before: str) -> None:
    webhook = webhooks.push(kind)
    payload = webhook.payload
    *path, last = data.draw(st.sampled_from(webhooks.FACTS[kind]["names"]))
    place: Any = payload
    for key in path:
        place = place[key]
    place[last] = before + name
    _parse(webhook.with_payload(payload))

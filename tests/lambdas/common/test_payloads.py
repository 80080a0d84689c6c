import json

from hypothesis import given
from hypothesis import strategies as st

from lambdas.common.errors import BadPayload, InvalidName
from lambdas.common.keys import artifact_key
from lambdas.common.payloads import FORMATS
from lambdas.common.refs import Ref
from tests.lambdas import github_payloads as github

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def _parse(kind: str, body: bytes, content_type: str = "application/json") -> None:
    """Whatever the body, the answer is a payload whose keys stay in their repository's prefix, or BadPayload."""
    headers = {"x-github-event": "push", "content-type": content_type}
    try:
        request = FORMATS[kind].parse(headers, body)
    except BadPayload:
        return
    for change in request.changes:
        try:
            key = artifact_key(change.repository, Ref.parse(change.ref))
        except InvalidName:
            continue
        assert key.startswith(change.repository + "/")
        assert ".." not in key.split("/")


@given(st.sampled_from(sorted(FORMATS)), st.binary(max_size=300), st.booleans())
def test_no_bytes_crash_a_parser(kind: str, body: bytes, form: bool) -> None:
    _parse(kind, body, "application/x-www-form-urlencoded" if form else "application/json")


@given(st.sampled_from(sorted(FORMATS)), json_values)
def test_no_json_crashes_a_parser(kind: str, document: object) -> None:
    _parse(kind, json.dumps(document).encode())


@given(st.sampled_from(sorted(FORMATS)), st.sampled_from(sorted(github.push())), json_values)
def test_no_odd_field_crashes_a_parser(kind: str, field: str, value: object) -> None:
    _parse(kind, json.dumps({**github.push(), field: value}).encode())


@given(st.text(), st.text())
def test_no_name_in_a_payload_leads_out_of_its_prefix(ref: str, repository: str) -> None:
    payload = github.push()
    payload["ref"], payload["repository"]["full_name"] = "refs/heads/" + ref, repository
    _parse("github", json.dumps(payload).encode())

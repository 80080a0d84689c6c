import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.common.errors import InvalidName
from lambdas.common.keys import artifact_key, check_full_name
from lambdas.common.refs import Ref


@pytest.mark.parametrize(
    ("name", "ref", "key"),
    [
        ("acme/site", "refs/heads/main", "acme/site/main/site.zip"),
        ("acme/site", "refs/heads/feature/x", "acme/site/feature/x/site.zip"),
        ("acme/site", "refs/tags/v1", "acme/site/refs/tags/v1/site.zip"),
        ("group/sub/site.js", "refs/heads/main", "group/sub/site.js/main/site.js.zip"),
        ("~ada/.github", "refs/heads/grün", "~ada/.github/grün/.github.zip"),
    ],
)
def test_where_artifacts_lie(name: str, ref: str, key: str) -> None:
    assert artifact_key(name, Ref.parse(ref)) == key


@pytest.mark.parametrize(
    "name", ["", "acme", "/acme", "acme/", "a/../b", "a/./b", "../b", "a//b", "a/b c", "a/ü", "a/b\n"]
)
def test_what_is_no_repository(name: str) -> None:
    with pytest.raises(InvalidName):
        check_full_name(name)


def test_a_branch_cannot_take_the_place_of_a_tag() -> None:
    with pytest.raises(InvalidName):
        artifact_key("acme/site", Ref.parse("refs/heads/refs/tags/v1"))


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_key_leaves_its_repository(name: str, branch: str) -> None:
    try:
        key = artifact_key(name, Ref.parse("refs/heads/" + branch))
    except InvalidName:
        return
    assert key.startswith(name + "/")
    assert not {"", ".", ".."} & set(key.split("/"))
    assert len(key.encode()) <= 1024

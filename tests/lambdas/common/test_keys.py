import itertools

import pytest
from hypothesis import given, settings
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
        ("acme/site", "refs/heads/feature/site", "acme/site/feature/site/site.zip"),
        ("acme/site", "refs/heads/site/x", "acme/site/refs/heads/site/x/site.zip"),
        ("acme/site/site", "refs/heads/x", "acme/site/site/x/site.zip"),
        ("refs/refs", "refs/heads/main", "refs/refs/main/refs.zip"),
        ("~ada/.github", "refs/heads/grün", "~ada/.github/grün/.github.zip"),
    ],
)
def test_where_artifacts_lie(name: str, ref: str, key: str) -> None:
    assert artifact_key(name, Ref.parse(ref)) == key


@pytest.mark.parametrize(
    "name",
    [
        "",
        "acme",
        "/acme",
        "acme/",
        "a/../b",
        "a/./b",
        "../b",
        "a//b",
        "a/b c",
        "a/ü",
        "a/b\n",
        "a/b/refs",
        "a/b/refs/b",
    ],
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


PARTS = st.lists(st.sampled_from(["a", "b", "refs", "heads", "tags", "a.zip", "b.git"]), min_size=1, max_size=4)
ADDRESSES = st.tuples(PARTS.map("/".join), st.sampled_from(["refs/heads/", "refs/tags/"]), PARTS.map("/".join))


@settings(max_examples=3000)
@given(st.lists(ADDRESSES, min_size=2, max_size=40, unique=True))
def test_no_two_refs_share_a_key(addresses: list[tuple[str, str, str]]) -> None:
    owners: dict[str, tuple[str, str]] = {}
    for name, prefix, short in addresses:
        try:
            key = artifact_key(name, Ref.parse(prefix + short))
        except InvalidName:
            continue
        assert owners.setdefault(key, (name, prefix + short)) == (name, prefix + short)


def test_no_two_of_all_short_names_share_a_key() -> None:
    words = ["a", "b", "refs", "heads", "tags"]
    names = ["/".join(parts) for size in (2, 3, 4) for parts in itertools.product(words, repeat=size)]
    shorts = ["/".join(parts) for size in (1, 2, 3) for parts in itertools.product(words, repeat=size)]
    owners: dict[str, tuple[str, str]] = {}
    for name in names:
        if "refs" in name.split("/")[2:]:
            continue
        for full in (prefix + short for prefix in ("refs/heads/", "refs/tags/") for short in shorts):
            if not full.startswith("refs/heads/refs/"):
                assert owners.setdefault(artifact_key(name, Ref.parse(full)), (name, full)) == (name, full)
    assert len(owners) > 50_000

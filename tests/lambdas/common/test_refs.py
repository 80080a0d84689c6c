import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.common.errors import InvalidName
from lambdas.common.refs import Ref, RefKind, RefPatterns


@pytest.mark.parametrize(
    ("patterns", "ref", "mirrored"),
    [
        ("main", "refs/heads/main", True),
        ("main", "refs/heads/main2", False),
        ("main", "refs/heads/feature/main", False),
        ("main", "refs/tags/main", False),
        ("*", "refs/heads/main", True),
        ("*", "refs/heads/release/1", False),
        ("**", "refs/heads/release/1", True),
        ("**", "refs/tags/v1", False),
        ("release/*", "refs/heads/release/1", True),
        ("release/*", "refs/heads/release/1/hotfix", False),
        ("release/**", "refs/heads/release/1/hotfix", True),
        ("v?", "refs/heads/v1", True),
        ("v?", "refs/heads/v10", False),
        ("a.c", "refs/heads/abc", False),
        ("tags:v*", "refs/tags/v1.0", True),
        ("tags:v*", "refs/heads/v1.0", False),
        ("tags:**", "refs/tags/a/b", True),
        (" main , tags:* ", "refs/tags/v1", True),
        ("ümlaut*", "refs/heads/ümlaut-1", True),
        ("**", "refs/pull/1/head", False),
        ("", "refs/heads/main", False),
    ],
)
def test_globs(patterns: str, ref: str, mirrored: bool) -> None:
    assert RefPatterns.parse(patterns).matches(Ref.parse(ref)) is mirrored


@pytest.mark.parametrize("text", ["a b", "tags:", "a:b", "[ab]", "a\\b", "x" * 256, "~", "^main", "tags:tags:v"])
def test_globs_that_no_ref_can_match_are_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        RefPatterns.parse(text)


@pytest.mark.parametrize(
    "name",
    ["",
     "main", "refs/heads/", "refs/heads/a..b", "refs/heads/.a", "refs/heads/a.lock", "refs/heads/a/", "refs/heads//a",
     "refs/heads/a b", "refs/heads/a\x00", "refs/heads/a:b", "refs/heads/a@{1}", "refs/heads/@", "refs/heads/a.",
     "refs/heads/x.lock/y", "refs/heads/\udcff", "refs/heads/" + "x" * 600, "../refs/heads/a"],
)  # fmt: skip
def test_names_that_git_refuses_are_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        Ref.parse(name)


def test_a_ref_knows_its_kind_and_short_name() -> None:
    assert Ref.parse("refs/tags/v1/rc").kind is RefKind.TAG
    assert str(Ref.parse("refs/heads/feature/x")) == "branch feature/x"


@given(st.text(max_size=80))
def test_any_text_is_a_ref_or_refused(text: str) -> None:
    try:
        ref = Ref.parse("refs/heads/" + text)
    except InvalidName:
        return
    assert ref.name == text
    assert RefPatterns.parse("**").matches(ref)

"""One matcher for the globs that people write, held against what they always meant, and against patience."""

import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.common import globs
from lambdas.common.globs import Glob
from lambdas.common.paths import PathFilter
from lambdas.common.refs import Ref, RefPatterns


@pytest.mark.parametrize(
    ("glob", "matching", "others"),
    [
        ("main", ["main"], ["main2", "x/main", "mai"]),
        ("release/*", ["release/1", "release/"], ["release/1/hotfix", "release"]),
        ("feature/**", ["feature/a", "feature/a/b"], ["feature"]),
        ("**/README.md", ["README.md", "docs/README.md", "a/b/README.md"], ["aREADME.md"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
        ("a**/b", ["a/b", "ax/y/b"], ["b"]),
        ("v?.0", ["v1.0"], ["v10.0", "v/.0", "v1x0"]),
        ("**", ["", "a", "a/b", "line\nbreak"], []),
        ("**/**/*.md", ["a.md", "x/y/z.md"], ["a.txt", "x/y"]),
        ("[a-z]+", ["[a-z]+"], ["a"]),
        ("", [""], ["a", "/"]),
    ],
)
def test_globs(glob: str, matching: list[str], others: list[str]) -> None:
    pattern = Glob(glob)

    assert [name for name in matching if not pattern.matches(name)] == []
    assert [name for name in others if pattern.matches(name)] == []


def meaning(glob: str) -> str:
    """What a glob means, as a regular expression: slow where its wildcards can share a name in many ways."""

    def part(wild: re.Match[str]) -> str:
        if wild[0] in ("*", "?"):
            return "[^/]*" if wild[0] == "*" else "[^/]"
        starts_a_part = wild.start() == 0 or glob[wild.start() - 1] == "/"
        return "(?:.*/)?" if wild[1] and starts_a_part else ".*" + wild[1]

    pattern, place = "", 0
    for wild in re.finditer(r"\*\*+(/?)|\*|\?", glob):
        pattern += re.escape(glob[place : wild.start()]) + part(wild)
        place = wild.end()
    return pattern + re.escape(glob[place:])


ANY_GLOB = st.lists(st.sampled_from(["a", "b", "/", "*", "**", "**/", "?", "é", ".", "\n"]), max_size=7).map("".join)
ANY_NAME = st.text("aab//é.\nx", max_size=9)


@settings(max_examples=2000)
@given(ANY_GLOB, st.lists(ANY_NAME, min_size=1, max_size=6))
def test_a_glob_takes_exactly_the_names_that_it_means(glob: str, names: list[str]) -> None:
    pattern, whole = Glob(glob), re.compile(meaning(glob), re.DOTALL)
    within = re.compile(f"(?:{meaning(glob)})(?:/.*)?", re.DOTALL)

    # One glob, many names: what it remembers of one must not change what it says of the next.
    assert [pattern.matches(name) for name in names] == [whole.fullmatch(name) is not None for name in names]
    assert [pattern.takes(name) for name in names] == [within.fullmatch(name) is not None for name in names]


def test_what_a_glob_remembers_is_bounded_and_of_no_consequence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(globs, "_KEPT_STEPS", 3)
    pattern = Glob("**/a*b?")

    for _ in range(2):
        assert pattern.matches("x/y/aabbc")
        assert not pattern.matches("x/y/aabb/c")


def steps_of(ask: Callable[[], object]) -> int:
    """Lines of the matcher that run while something is asked: the same on any machine, however busy it is."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if frame.f_code.co_filename != globs.__file__:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        ask()
    finally:
        sys.settrace(before)
    return count


STEPS_A_CHARACTER = 30


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("*a" * 20, "a" * 200 + "b"),
        ("*a" * 100 + "b", "a" * 250),
        ("**a" * 80, "a" * 200 + "b"),
        ("**/*" * 60, "a/" * 120),
        ("*?" * 100, "x" * 250 + "/"),
    ],
)
def test_a_pattern_for_refs_takes_time_in_proportion_to_the_name(glob: str, name: str) -> None:
    patterns, ref = RefPatterns.parse(glob[:255]), Ref.parse("refs/heads/" + name.strip("/"))

    assert steps_of(lambda: patterns.matches(ref)) < STEPS_A_CHARACTER * (len(glob) + len(name))


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("**/" * 6 + "x", "a/" * 60 + "y"),
        ("/".join(["**/a"] * 40) + "/x", "a/" * 120 + "y"),
        ("**/*a" * 60 + "x", "a/" * 500),
        ("*a**" * 250, "a" * 4000),
    ],
)
def test_a_path_filter_takes_time_in_proportion_to_the_path(glob: str, name: str) -> None:
    paths = PathFilter.parse(glob, glob)

    assert steps_of(lambda: paths.why_not([name])) < STEPS_A_CHARACTER * 2 * (len(glob) + len(name))

import pytest

from lambdas.common.globs import compile_glob
from lambdas.common.paths import PathFilter


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
        ("[a-z]+", ["[a-z]+"], ["a"]),
    ],
)
def test_globs(glob: str, matching: list[str], others: list[str]) -> None:
    pattern = compile_glob(glob)

    assert [name for name in matching if not pattern.fullmatch(name)] == []
    assert [name for name in others if pattern.fullmatch(name)] == []


@pytest.mark.parametrize(
    ("paths", "ignored", "changed", "reason"),
    [
        ("", "", ["a"], ""),
        ("app", "", ["app/main.py"], ""),
        ("app/", "", ["app/main.py"], ""),
        ("/app/**", "", ["app/main.py"], ""),
        ("app", "", ["apple"], "the one changed file matches none of the paths `app`"),
        ("*.md", "", ["docs/a.md", "b.txt"], "each of the 2 changed files matches none of the paths `*.md`"),
        ("**/*.md, app", "", ["docs/a.md", "b.txt"], ""),
        ("", "docs/**", ["docs/a.md"], "the one changed file matches the ignored paths `docs/**`"),
        ("", "docs,*.md", ["docs/a", "a.md"], "each of the 2 changed files matches the ignored paths `docs`, `*.md`"),
        ("", "docs", ["docs/a.md", "app/a"], ""),
        (
            "app",
            "**/*.md",
            ["app/a.md", "b"],
            "each of the 2 changed files matches none of the paths `app` without `**/*.md`",
        ),
        ("app", "**/*.md", ["app/a.md", "app/b"], ""),
    ],
)
def test_which_pushes_count(paths: str, ignored: str, changed: list[str], reason: str) -> None:
    assert PathFilter.parse(paths, ignored).why_not(changed) == reason


def test_without_globs_there_is_nothing_to_ask() -> None:
    assert not PathFilter.parse("", " , ")
    assert PathFilter.parse("a", "")
    assert PathFilter.parse("", "a")

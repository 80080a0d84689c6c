import pytest

from lambdas.common.paths import PathFilter


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

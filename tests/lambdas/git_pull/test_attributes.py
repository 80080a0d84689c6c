"""What .gitattributes leave out of an artifact, held against `git archive` itself."""

import io
import subprocess
import tempfile
import zipfile
from pathlib import Path

import pygit2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.git_pull.archive import write_zip
from lambdas.git_pull.attributes import Attributes
from lambdas.git_pull.submodules import Part

FOLDERS = ["", "a/", "a/b/", "docs/"]
NAMES = ["a", "b", "docs", "x.txt", "y.txt", "a b", "[x]", "tab\tname", 'q"q', "-n", "A.TXT"]
PATHS = [f"{folder}{name}" for folder in FOLDERS for name in NAMES if f"{folder}{name}/" not in FOLDERS]

words = st.sampled_from(
    ["a", "b", "docs", "x.txt", "*.txt", "*", "**", "?", "[ab]", "[!a]", "[a-d]*", "x.*", "\\a", "[[:alpha:]]"]
)
patterns = st.builds(
    lambda start, parts, end: start + "/".join(parts) + end,
    st.sampled_from(["", "", "/", "**/", "!"]),
    st.lists(words, min_size=1, max_size=3),
    st.sampled_from(["", "", "/", "/**"]),
) | st.sampled_from(
    ['"a b"', '"tab\\tname"', '"q\\"q"', '"docs/"', '"unended', "[x]", "[[]x]", "-n", "*.TXT", '"a\\040b"']
)
states = st.sampled_from(
    [
        "export-ignore",
        "-export-ignore",
        "!export-ignore",
        "export-ignore=x",
        "out",
        "-out",
        "!out",
        "keep",
        "text",
        "bad+name",
    ]
)
lines = st.builds(
    lambda blank, pattern, gap, said: blank + pattern + gap + gap.join(said),
    st.sampled_from(["", "", " ", "\t"]),
    patterns,
    st.sampled_from([" ", "\t", "  \t"]),
    st.lists(states, min_size=1, max_size=3),
) | st.sampled_from(
    [
        "# a comment export-ignore",
        "[attr]out export-ignore",
        "[attr]out -export-ignore",
        "[attr] out export-ignore",
        "[attr]keep -export-ignore",
        "[attr]binary export-ignore",
        "",
        "a",
    ]
)
files = st.lists(lines, max_size=5).map(lambda each: "\n".join(each) + "\n")


def git(folder: Path, *arguments: str) -> bytes:
    command = [
        "git",
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@example.com",
        "-c",
        "core.autocrlf=false",
        *arguments,
    ]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout


def made(folder: Path, attributes: dict[str, str]) -> None:
    git(folder, "init", "-q", "-b", "main")
    for name in PATHS:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text\n")
    for base, text in attributes.items():
        (folder / base / ".gitattributes").write_text(text)
    git(folder, "add", "-Af")
    git(folder, "commit", "-qm", "x")


def archived(folder: Path) -> set[str]:
    """What git itself puts into an archive of the commit."""
    with zipfile.ZipFile(io.BytesIO(git(folder, "archive", "--format=zip", "HEAD"))) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def pulled(folder: Path) -> set[str]:
    repository = pygit2.Repository(str(folder))
    out = bytearray()
    write_zip([Part(b"", repository, str(repository.head.target), "acme/site")], out.extend, check_time=lambda: None)
    with zipfile.ZipFile(io.BytesIO(bytes(out))) as archive:
        return set(archive.namelist())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.fixed_dictionaries({"": files}, optional={"a": files, "a/b": files, "docs": files}))
def test_the_same_files_as_git_archive(attributes: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made(folder, attributes)
        assert pulled(folder) == archived(folder)


@pytest.mark.parametrize(
    "text",
    [
        "docs/ export-ignore",
        "x.txt/ export-ignore",
        "/a/b/ export-ignore",
        "docs/\texport-ignore",
        '"docs/" export-ignore',
        '"a b"\texport-ignore',
        "docs/ export-ignore\ndocs/ -export-ignore",
        "docs export-ignore\ndocs !export-ignore",
        "* export-ignore\n*.txt -export-ignore",
        "[attr]out export-ignore\ndocs/ out",
        "docs/ out\n[attr]out export-ignore",
        "[attr]out export-ignore\n[attr]out text\ndocs/ out",
        "a/** export-ignore",
        "**/b export-ignore",
        "a/**/x.txt export-ignore",
        "a/*/x.txt export-ignore",
        "!docs export-ignore",
        "docs export-ignore bad+name",
        "docs export-ignore=yes",
        "[[:alpha:]] export-ignore",
        "[!a] export-ignore",
        "\\a export-ignore",
        "\ufeffdocs export-ignore",
        "docs export-ignore\r",
        "docs export-ignore " + "x" * 2048,
        "a/ export-ignore\na/b -export-ignore",
    ],
)
def test_patterns_that_went_wrong_somewhere(tmp_path: Path, text: str) -> None:
    made(tmp_path, {"": text + "\n", "a": "b/ export-ignore\n"})
    assert pulled(tmp_path) == archived(tmp_path)


def test_a_deeper_file_has_the_first_word_and_the_last_line() -> None:
    said = Attributes({b"": b"* eol=lf\n[attr]both text eol=crlf\n", b"a/": b"*.txt both -text\n*.md !eol\n"})
    assert said.of(b"a/x.txt")[b"eol"] == b"crlf"
    assert said.of(b"a/x.txt")[b"text"] is False
    assert said.of(b"a/x.md")[b"eol"] is None
    assert said.of(b"x.txt") == {b"eol": b"lf"}

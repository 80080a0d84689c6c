"""How the journey compares a zip with a commit."""

import io
import zipfile
from pathlib import Path

import pytest

from acceptance.errors import StepFailed
from acceptance.working_copy import Entry, WorkingCopy, differences, read_zip


@pytest.fixture
def copy(tmp_path: Path) -> WorkingCopy:
    made = WorkingCopy(tmp_path / "copy", "ssh://git@127.0.0.1:1/acme/shop.git", {"GIT_SSH_COMMAND": "false"})
    made.write_everything()
    return made


def zip_of(entries: dict[str, Entry]) -> bytes:
    modes = {"file": 0o100644, "executable": 0o100755, "symlink": 0o120777}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.mkdir("folders do not count")
        for name, entry in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = modes[entry.kind] << 16
            archive.writestr(info, entry.content)
    return buffer.getvalue()


def test_a_commit_holds_every_kind_of_file(copy: WorkingCopy) -> None:
    tree = copy.tree(copy.commit("Everything"))
    assert {entry.kind for entry in tree.values()} == {"file", "executable", "symlink"}
    assert tree["current"] == Entry("symlink", b"src/deeply")
    assert any(not name.isascii() for name in tree)


def test_a_zip_of_the_tree_is_equal_to_it(copy: WorkingCopy) -> None:
    tree = copy.tree(copy.commit("Everything"))
    assert differences(tree, read_zip(zip_of(tree))) == []


def test_each_way_to_differ_is_named() -> None:
    expected = {
        "a": Entry("file", b"1"),
        "b": Entry("executable", b""),
        "c": Entry("file", b""),
        "d": Entry("file", b""),
    }
    found = {"a": Entry("file", b"2"), "b": Entry("file", b""), "d": Entry("file", b""), "e": Entry("file", b"")}
    assert differences(expected, found) == [
        "a has other bytes",
        "b is file, not executable",
        "c is missing",
        "e is too much",
    ]


def test_a_push_that_fails_says_what_git_said(copy: WorkingCopy) -> None:
    copy.commit("Everything")
    with pytest.raises(StepFailed, match="git push failed: "):
        copy.push()

"""The folder that git pull keeps repositories and host keys in."""

import tempfile
from pathlib import Path

import pytest

from lambdas.git_pull.workspace import FolderNotOurs, folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_each_function_has_a_folder_of_its_own_that_others_cannot_read() -> None:
    first, second = folder("shop-GitPull-1"), folder("blog-GitPull-2")

    assert first != second
    assert {oct(path.stat().st_mode & 0o777) for path in (first, second)} == {"0o700"}


def test_the_same_function_finds_what_it_left() -> None:
    (folder("shop") / "known_hosts").write_text("host key")

    assert (folder("shop") / "known_hosts").read_text() == "host key"


def test_a_link_that_somebody_put_there_is_not_followed(temporary: Path) -> None:
    (temporary / "elsewhere").mkdir()
    (temporary / "sluice-shop").symlink_to(temporary / "elsewhere")

    with pytest.raises(FolderNotOurs):
        folder("shop")


def test_a_folder_that_others_could_read_is_closed(temporary: Path) -> None:
    (temporary / "sluice-shop").mkdir(mode=0o755)

    assert oct(folder("shop").stat().st_mode & 0o777) == "0o700"

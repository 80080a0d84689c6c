"""The whole of a benchmark on a tiny repository: real servers, real processes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.measure import METHODS
from benchmarks.servers import Folder, running
from benchmarks.session import MethodFailed, Session
from benchmarks.trees import Size, Tree, make_tree

TINY = Size("tiny", files=30, tree_bytes=400_000, commits=5, changes=2)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = Folder(tmp_path_factory.mktemp("bench"))
    folder.prepare()
    with running(folder) as ports:
        yield Session(folder, ports)


@pytest.fixture(scope="module")
def tree(session: Session) -> Tree:
    return make_tree(TINY, session.folder.trees)


def test_a_tree_is_the_same_wherever_it_is_made(tree: Tree, tmp_path: Path) -> None:
    assert make_tree(TINY, tmp_path).commit == tree.commit


@pytest.mark.parametrize("method", METHODS)
def test_each_method_runs_and_is_measured(session: Session, tree: Tree, method: str) -> None:
    measured, _ = session.run(method, tree)

    assert measured.seconds > 0
    assert measured.cpu_seconds > 0
    assert measured.peak_bytes > 10_000_000
    assert (measured.stored_bytes > 100_000) == (method != "fetch_alone")


def test_zip_download_leaves_nothing_on_the_disk_and_the_reference_does(session: Session, tree: Tree) -> None:
    assert session.run("zip_download", tree)[0].disk_bytes == 0
    assert session.run("zip_download_reference", tree)[0].disk_bytes > TINY.tree_bytes


def test_artifacts_are_checked_against_git_archive(session: Session, tree: Tree) -> None:
    assert session.equal_to_git_archive(tree)
    assert session.same_content_and_bytes(tree) == (True, True)


def test_another_artifact_than_that_of_git_archive_is_noticed(session: Session, tree: Tree) -> None:
    assert not session.equal_to_git_archive(replace(tree, expected=tree.archive))
    assert session.same_content_and_bytes(replace(tree, expected=tree.archive)) == (False, True)


def test_a_method_that_fails_ends_the_benchmark(session: Session, tree: Tree) -> None:
    with pytest.raises(MethodFailed, match="git_pull failed on tiny"):
        session.run("git_pull", replace(tree, commit="0" * 40))

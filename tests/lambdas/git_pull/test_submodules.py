import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from lambdas.common.errors import PermanentFailure
from lambdas.git_pull.settings import Settings
from lambdas.git_pull.submodules import MAX_DEPTH, _name
from tests.lambdas.conftest import GitRepository, HostedRepository, ssh_key, stored_object
from tests.lambdas.git_pull.conftest import fetch, tree_of, unzipped

pytestmark = pytest.mark.usefixtures("stack")
_numbers = itertools.count(1)


@pytest.fixture
def stack_settings(stack_settings: Settings) -> Settings:
    return replace(stack_settings, submodules=True)


@pytest.fixture
def machine(hosted: HostedRepository) -> str:
    """Private key of a user who may read every repository: a deploy key opens one alone."""
    key = ssh_key()
    hosted.host.add_user_key("octocat", key.public_key)
    return key.private_key


def host(hosted: HostedRepository, folder: Path, **files: str) -> HostedRepository:
    """Another repository on the same host, with these files."""
    full_name = f"acme/library-{next(_numbers)}"
    hosted.host.create_repository(full_name)
    work = GitRepository(folder / full_name)
    work.path.mkdir(parents=True)
    work.git("init", "-q", "-b", "main")
    for name, text in files.items():
        work.write(name, text)
    work.commit("Library")
    made = replace(hosted, work=work, full_name=full_name)
    made.publish()
    return made


def embed(parent: HostedRepository, child: HostedRepository, path: str, url: str = "") -> None:
    """Make `child` a submodule of `parent`, as `git submodule add` does."""
    modules = parent.work.path / ".gitmodules"
    text = modules.read_text() if modules.exists() else ""
    address = url or f"../{child.full_name.split('/')[1]}.git"
    parent.work.write(".gitmodules", f'{text}[submodule "{path}"]\n\tpath = {path}\n\turl = {address}\n')
    parent.work.git("add", ".gitmodules")
    parent.work.git("update-index", "--add", "--cacheinfo", f"160000,{child.work.head()},{path}")
    parent.work.git("commit", "-q", "-m", "Submodule")
    parent.publish()


def test_submodules_and_theirs_are_part_of_the_artifact(
    hosted: HostedRepository, stack_settings: Settings, root: Path, tmp_path: Path, machine: str
) -> None:
    inner = host(hosted, tmp_path, inner="1")
    outer = host(hosted, tmp_path, outer="2", ignored="3")
    outer.work.write(".gitattributes", "ignored export-ignore\n")
    outer.work.commit("Ignore")
    embed(outer, inner, "deep/inner")
    embed(hosted, outer, "vendor/outer")

    stored = fetch(hosted, stack_settings, root, key=machine)

    files = unzipped(stored_object(stored.key)[0])
    assert set(files) - set(tree_of(hosted)) == {
        "vendor/outer/.gitattributes",
        "vendor/outer/.gitmodules",
        "vendor/outer/outer",
        "vendor/outer/deep/inner/inner",
    }
    assert files["vendor/outer/deep/inner/inner"] == (0o100644, b"1")
    assert list(files) == sorted(files)


def test_the_commit_that_the_tree_names_is_taken_not_the_newest(
    hosted: HostedRepository, stack_settings: Settings, root: Path, tmp_path: Path, machine: str
) -> None:
    library = host(hosted, tmp_path, file="old")
    embed(hosted, library, "library")
    library.work.write("file", "new")
    library.work.commit("New")
    library.publish()

    stored = fetch(hosted, stack_settings, root, key=machine)

    assert unzipped(stored_object(stored.key)[0])["library/file"][1] == b"old"


def test_a_submodule_that_git_leaves_out_is_left_out(
    hosted: HostedRepository, stack_settings: Settings, root: Path
) -> None:
    hosted.work.write(
        ".gitmodules", '[submodule "docs"]\n\tpath = docs-site\n\turl = https://example.com/docs\n\tupdate = none\n'
    )
    hosted.work.git("add", ".gitmodules")
    hosted.work.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},docs-site")
    hosted.work.git("commit", "-q", "-m", "Submodule")
    hosted.publish()

    stored = fetch(hosted, stack_settings, root)

    files = unzipped(stored_object(stored.key)[0])
    assert ".gitmodules" in files
    assert not [name for name in files if name.startswith("docs-site")]


def test_a_commit_that_was_never_pushed_is_told_as_that(
    hosted: HostedRepository, stack_settings: Settings, root: Path, tmp_path: Path, machine: str
) -> None:
    library = host(hosted, tmp_path, file="1")
    library.work.write("file", "2")
    library.work.commit("Kept to oneself")
    embed(hosted, library, "library")

    words = rf"Submodule `library`: {library.full_name} does not have the commit {library.work.head()[:12]}: push it"
    with pytest.raises(PermanentFailure, match=words):
        fetch(hosted, stack_settings, root, key=machine)


def test_a_submodule_that_the_key_may_not_read_is_named(
    hosted: HostedRepository, stack_settings: Settings, root: Path, tmp_path: Path
) -> None:
    embed(hosted, host(hosted, tmp_path, file="1"), "library")

    with pytest.raises(PermanentFailure, match=r"Submodule `library`: .*may not read"):
        fetch(hosted, stack_settings, root)


@pytest.mark.parametrize("url", ["https://example.com/acme/library.git", "git@example.com:acme/library", "/etc", ""])
def test_a_submodule_elsewhere_is_refused(
    hosted: HostedRepository, stack_settings: Settings, root: Path, tmp_path: Path, url: str
) -> None:
    embed(hosted, host(hosted, tmp_path, file="1"), "library", url or "   ")

    with pytest.raises(PermanentFailure, match=r"Submodule `library` (is on example\.com|has no address)"):
        fetch(hosted, stack_settings, root)


def test_gitmodules_cannot_make_other_files_be_read(
    hosted: HostedRepository, stack_settings: Settings, root: Path, tmp_path: Path
) -> None:
    hosted.work.write(".gitmodules", f"[Include]\n\tpath = {tmp_path}/secret\n")
    embed(hosted, host(hosted, tmp_path, file="1"), "library")

    with pytest.raises(PermanentFailure, match="includes other files"):
        fetch(hosted, stack_settings, root)


def test_submodules_within_each_other_come_to_an_end(
    hosted: HostedRepository, stack_settings: Settings, root: Path, tmp_path: Path, machine: str
) -> None:
    inner = host(hosted, tmp_path, file="1")
    for _ in range(MAX_DEPTH):
        outer = host(hosted, tmp_path, file="1")
        embed(outer, inner, "in")
        inner = outer
    embed(hosted, inner, "in")

    with pytest.raises(PermanentFailure, match="than is allowed"):
        fetch(hosted, stack_settings, root, key=machine)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("../library.git", "acme/library"),
        ("../../other/library", "other/library"),
        ("git@git.example.com:acme/library.git", "acme/library"),
        ("ssh://git@git.example.com:2222/acme/web/library.git", "acme/web/library"),
        ("https://GIT.example.com/acme/library", "acme/library"),
        ("https://git.example.com/scm/ACME/library.git", "ACME/library"),
    ],
)
def test_addresses_on_the_same_host(url: str, name: str) -> None:
    assert _name(url, "library", hosts=("git.example.com", "ssh.example.com"), parent="acme/site") == name


@pytest.mark.parametrize(
    "url",
    ["../../../../etc/passwd", "git@git.example.com:../x", "https://git.example.com/a/..", "http://[", "file:///x"],
)
def test_addresses_that_lead_elsewhere(url: str) -> None:
    with pytest.raises(PermanentFailure, match="Submodule `library`"):
        _name(url, "library", hosts=("git.example.com", "ssh.example.com"), parent="acme/site")

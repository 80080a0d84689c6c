import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from lambdas.common.errors import NotWanted, PermanentFailure, TemporaryFailure
from lambdas.common.paths import PathFilter
from lambdas.git_pull import fetch as git_pull
from lambdas.git_pull.repository import MAX_PACKS, directory_for
from lambdas.git_pull.settings import Settings
from lambdas.git_pull.ssh import private_key
from sandbox.git_host import git
from tests.lambdas.conftest import BUCKET, HostedRepository, make_job, ssh_key, stored_object, versions_of
from tests.lambdas.git_pull.conftest import fetch, history_of, tree_of, unzipped

pytestmark = pytest.mark.usefixtures("stack")


@pytest.fixture
def only_refs(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes the server hand out what refs point at, and no other commits."""

    def environment(*arguments: Any) -> dict[str, str]:
        variables = git.environment(*arguments)
        position = next(name for name, value in variables.items() if value == "uploadpack.allowAnySHA1InWant")
        return variables | {position.replace("KEY", "VALUE"): "false"}

    return lambda: monkeypatch.setattr("sandbox.git_host.git_services.environment", environment)


def test_the_artifact_is_the_commits_tree(hosted: HostedRepository, stack_settings: Settings, root: Path) -> None:
    stored = fetch(hosted, stack_settings, root)

    data, metadata, version = stored_object(f"{hosted.full_name}/main/{hosted.full_name.split('/')[1]}.zip")
    assert unzipped(data) == tree_of(hosted)
    assert stat.S_ISLNK(unzipped(data)["link"][0])
    assert (stored.version_id, stored.size, stored.reason) == (version, len(data), "Stored")
    assert metadata == {
        "commit": hosted.work.head(),
        "ref": "refs/heads/main",
        "author": "Ada",
        "message": "Start",
        "delivery-id": "delivery-1",
        "content-digest": stored.content_digest,
    }


def test_the_same_tree_makes_the_same_bytes_and_no_new_version(
    hosted: HostedRepository, stack_settings: Settings, root: Path, tmp_path: Path
) -> None:
    first = fetch(hosted, stack_settings, root)
    before, _, _ = stored_object(first.key)
    hosted.work.commit("The same files again")
    hosted.publish()
    second = fetch(hosted, stack_settings, root)
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=first.key)
    third = fetch(hosted, stack_settings, tmp_path / "cold")

    assert second.version_id == first.version_id
    assert second.reason.startswith("The content has not changed")
    assert stored_object(third.key)[0] == before


def test_a_warm_repository_fetches_the_next_push(
    hosted: HostedRepository, stack_settings: Settings, root: Path
) -> None:
    fetch(hosted, stack_settings, root)
    packs = directory_for(root / "git", stack_settings.url(hosted.full_name)) / "objects" / "pack"
    first = sum(pack.stat().st_size for pack in packs.glob("*.pack"))
    hosted.work.write("README.md", "Changed\n")
    hosted.work.git("rm", "-q", "random.bin")
    hosted.work.commit("Next")
    hosted.publish()

    stored = fetch(hosted, stack_settings, root)

    assert unzipped(stored_object(stored.key)[0]) == tree_of(hosted)
    assert sum(pack.stat().st_size for pack in packs.glob("*.pack")) - first < first / 2


@pytest.mark.parametrize("by_id", [True, False])
def test_the_pushed_commit_is_stored_though_the_branch_moved_on(
    hosted: HostedRepository, stack_settings: Settings, root: Path, only_refs: Callable[[], None], by_id: bool
) -> None:
    """By its id where the server hands out any commit, else through its branch."""
    pushed, tree = hosted.work.head(), tree_of(hosted)
    for number in range(3):
        hosted.work.write("later.txt", str(number))
        hosted.work.commit("Later")
    hosted.publish()
    if not by_id:
        only_refs()

    stored = fetch(hosted, stack_settings, root, commit=pushed)

    assert unzipped(stored_object(stored.key)[0]) == tree


def test_a_commit_that_was_replaced_is_a_permanent_failure(
    hosted: HostedRepository, stack_settings: Settings, root: Path, only_refs: Callable[[], None]
) -> None:
    replaced = hosted.work.head()
    hosted.work.git("commit", "-q", "--amend", "-m", "Rewritten")
    hosted.publish()
    only_refs()

    with pytest.raises(PermanentFailure, match="replaced by a later push"):
        fetch(hosted, stack_settings, root, commit=replaced)


@pytest.mark.parametrize("by_id", [True, False])
def test_a_branch_that_is_gone_is_a_permanent_failure(
    hosted: HostedRepository, stack_settings: Settings, root: Path, only_refs: Callable[[], None], by_id: bool
) -> None:
    if not by_id:
        only_refs()

    with pytest.raises(PermanentFailure, match="not there any more"):
        fetch(hosted, stack_settings, root, ref="refs/heads/gone", commit="a" * 40)


@pytest.mark.parametrize("annotated", [True, False])
def test_tags(hosted: HostedRepository, stack_settings: Settings, root: Path, annotated: bool) -> None:
    hosted.work.git("tag", *(["-a", "-m", "One"] if annotated else []), "v1")
    hosted.publish()

    stored = fetch(hosted, stack_settings, root, ref="refs/tags/v1")

    assert stored.key.startswith(f"{hosted.full_name}/refs/tags/v1/")
    assert unzipped(stored_object(stored.key)[0]) == tree_of(hosted)


@pytest.mark.parametrize("by_id", [True, False])
def test_an_annotated_tag_may_be_named_by_its_own_id(
    hosted: HostedRepository, stack_settings: Settings, root: Path, only_refs: Callable[[], None], by_id: bool
) -> None:
    """As Bitbucket Data Center does before it names the commit too."""
    hosted.work.git("tag", "-a", "-m", "One", "v1")
    hosted.publish()
    tag = hosted.work.git("rev-parse", "v1").decode().strip()
    assert tag != hosted.work.head()
    if not by_id:
        only_refs()

    stored = fetch(hosted, stack_settings, root, ref="refs/tags/v1", commit=tag)

    assert unzipped(stored_object(stored.key)[0]) == tree_of(hosted)


def test_a_commit_that_changes_no_file_that_counts_is_not_stored(
    hosted: HostedRepository, stack_settings: Settings, root: Path
) -> None:
    settings = replace(stack_settings, paths=PathFilter.parse("app,bin", ""))
    first = fetch(hosted, settings, root)
    hosted.work.write("README.md", "Changed\n")
    commit = hosted.work.commit("Next")
    hosted.publish()
    job = replace(make_job(hosted.full_name, commit), check_paths=True)

    with pytest.raises(NotWanted, match="the one changed file matches none of the paths `app`, `bin`"):
        git_pull.fetch(
            job,
            settings=settings,
            key=hosted.key.private_key,
            root=root,
            s3=boto3.client("s3"),
            history=history_of(settings, root),
        )
    assert versions_of(first.key) == [first.version_id]


def test_another_host_key_is_refused(hosted: HostedRepository, stack_settings: Settings, root: Path) -> None:
    other = f"[127.0.0.1]:{hosted.host.ssh_port} {ssh_key().public_key}"

    with pytest.raises(PermanentFailure, match=r"host key of 127\.0\.0\.1"):
        fetch(hosted, replace(stack_settings, ssh_known_hosts=other), root)


def test_the_key_of_another_port_or_host_is_no_reason_to_trust(
    hosted: HostedRepository, stack_settings: Settings, root: Path
) -> None:
    lines = f"[127.0.0.1]:1 {hosted.host.host_key}\nexample.com {hosted.host.host_key}"

    with pytest.raises(PermanentFailure, match=r"host key of 127\.0\.0\.1"):
        fetch(hosted, replace(stack_settings, ssh_known_hosts=lines), root)


def test_one_of_several_known_keys_is_enough(hosted: HostedRepository, stack_settings: Settings, root: Path) -> None:
    lines = f"example.com {ssh_key().public_key}\n{hosted.host.known_hosts_line}\n"

    assert fetch(hosted, replace(stack_settings, ssh_known_hosts=lines), root).size


def test_without_known_hosts_nothing_is_fetched(hosted: HostedRepository, stack_settings: Settings, root: Path) -> None:
    with pytest.raises(PermanentFailure, match="SshKnownHosts is empty"):
        fetch(hosted, replace(stack_settings, ssh_known_hosts=" \n"), root)


def test_a_key_that_the_server_does_not_know(hosted: HostedRepository, stack_settings: Settings, root: Path) -> None:
    with pytest.raises(PermanentFailure, match="add PublicSSHKey"):
        fetch(hosted, stack_settings, root, key=ssh_key().private_key)


def test_a_repository_that_the_key_may_not_read(hosted: HostedRepository, stack_settings: Settings, root: Path) -> None:
    hosted.host.create_repository("acme/secret")

    with pytest.raises(PermanentFailure, match=r"no such repository|may not read"):
        fetch(replace(hosted, full_name="acme/secret"), stack_settings, root)


def test_a_server_that_is_down_is_tried_again(hosted: HostedRepository, stack_settings: Settings, root: Path) -> None:
    with pytest.raises(TemporaryFailure, match="The fetch failed"):
        fetch(hosted, replace(stack_settings, ssh_port=1, ssh_known_hosts=f"127.0.0.1 {hosted.host.host_key}"), root)


def test_no_time_left_is_said_before_lambda_ends_the_function(
    hosted: HostedRepository, stack_settings: Settings, root: Path
) -> None:
    job = make_job(hosted.full_name, hosted.work.head(), seconds=-1)

    with pytest.raises(TemporaryFailure, match="longer than the function may run"):
        git_pull.fetch(
            job,
            settings=stack_settings,
            key=hosted.key.private_key,
            root=root,
            s3=boto3.client("s3"),
            history=history_of(stack_settings, root),
        )
    assert versions_of(job.artifact.key) == []


@pytest.mark.parametrize("damage", ["truncated pack", "lock", "too many packs", "no HEAD"])
def test_a_warm_repository_that_is_broken_is_made_anew(
    hosted: HostedRepository, stack_settings: Settings, root: Path, damage: str
) -> None:
    fetch(hosted, stack_settings, root)
    path = directory_for(root / "git", stack_settings.url(hosted.full_name))
    match damage:
        case "truncated pack":
            for pack in (path / "objects" / "pack").iterdir():
                pack.chmod(0o644)
                pack.write_bytes(pack.read_bytes()[:40])
        case "lock":
            (path / "shallow.lock").touch()
        case "too many packs":
            for number in range(MAX_PACKS + 1):
                (path / "objects" / "pack" / f"pack-{number:040x}.pack").touch()
        case "no HEAD":
            (path / "HEAD").unlink()
    hosted.work.write("README.md", "Changed\n")
    hosted.work.commit("Next")
    hosted.publish()

    stored = fetch(hosted, stack_settings, root)

    assert unzipped(stored_object(stored.key)[0]) == tree_of(hosted)


def test_submodules_are_left_out(hosted: HostedRepository, stack_settings: Settings, root: Path) -> None:
    hosted.work.git("update-index", "--add", "--cacheinfo", f"160000,{'a' * 40},vendor/library")
    hosted.work.git("commit", "-q", "-m", "Submodule")
    hosted.publish()

    stored = fetch(hosted, stack_settings, root)

    names = unzipped(stored_object(stored.key)[0]).keys()
    assert names == tree_of(hosted).keys()
    assert not any("vendor" in name for name in names)


def test_paths_marked_export_ignore_are_left_out_as_git_archive_does(
    hosted: HostedRepository, stack_settings: Settings, root: Path
) -> None:
    hosted.work.write(".gitattributes", "/docs export-ignore\n*.bin export-ignore\n/deep/er/ export-ignore\n")
    hosted.work.write(
        "app/.gitattributes", "app.txt export-ignore\nnested/ export-ignore\n/app/anchored/ -text export-ignore\n"
    )
    for name in ("app/a/nested/1", "app/nested/2", "app/app/anchored/3", "app/b/app/anchored/4", "nested/5"):
        hosted.work.write(name, "x")
    hosted.work.commit("Ignore")
    hosted.publish()
    stored = fetch(hosted, stack_settings, root)

    archived = unzipped(hosted.work.git("archive", "--format=zip", "HEAD"))
    assert unzipped(stored_object(stored.key)[0]).keys() == {name for name in archived if not name.endswith("/")}


def test_names_that_are_not_utf8_keep_their_bytes(
    hosted: HostedRepository, stack_settings: Settings, root: Path
) -> None:
    blob = hosted.work.git("hash-object", "-w", "--stdin", input=b"x").decode().strip()
    hosted.work.git("update-index", "-z", "--index-info", input=f"100644 {blob}\t".encode() + b"caf\xe9.txt\0")
    hosted.work.git("commit", "-q", "-m", "Latin")
    hosted.publish()

    stored = fetch(hosted, stack_settings, root)

    assert b"caf\xe9.txt" in stored_object(stored.key)[0]


@pytest.mark.parametrize("value", ["", "{}", '{"current": null}', '{"current": {}}', "no json"])
def test_a_stack_without_a_key_says_so(value: str) -> None:
    with pytest.raises(PermanentFailure, match="has no SSH key"):
        private_key(value)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("@revoked * {key}\n{name} {key}", "says that the host key of .* is revoked"),
        ("@cert-authority * {key}", "trusts an authority for .* cannot verify host certificates"),
        ("*,!*127.0.0.1* {key}", "has no host key of"),
        ("{name} sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t", "of types that git pull cannot"),
    ],
)
def test_marks_of_known_hosts_mean_what_openssh_says(
    hosted: HostedRepository, stack_settings: Settings, root: Path, lines: str, reason: str
) -> None:
    given = lines.format(key=hosted.host.host_key, name=f"[127.0.0.1]:{hosted.host.ssh_port}")

    with pytest.raises(PermanentFailure, match=reason):
        fetch(hosted, replace(stack_settings, ssh_known_hosts=given), root)


def test_a_wildcard_is_a_reason_to_trust(hosted: HostedRepository, stack_settings: Settings, root: Path) -> None:
    assert fetch(hosted, replace(stack_settings, ssh_known_hosts=f"127.0.0.? {hosted.host.host_key}"), root).size

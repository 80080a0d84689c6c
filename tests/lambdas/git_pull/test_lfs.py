import hashlib
import io
import pwd
import zipfile
from dataclasses import replace
from pathlib import Path

import boto3
import pygit2
import pytest

from lambdas.common.errors import PermanentFailure, TemporaryFailure
from lambdas.common.zip_format import DESCRIPTOR, DESCRIPTOR_RECORD, LOCAL, LOCAL_HEADER
from lambdas.git_pull.archive import Limits, write_zip
from lambdas.git_pull.lfs_access import Access, access_to
from lambdas.git_pull.pointers import Pointer, UnreadablePointer, parse
from lambdas.git_pull.settings import Settings
from lambdas.git_pull.submodules import Part
from tests.lambdas.conftest import BUCKET, HostedRepository, ssh_key, stored_object, versions_of
from tests.lambdas.git_pull.conftest import fetch, unzipped
from tests.lambdas.git_pull.test_submodules import embed, host

VIDEO = bytes(range(256)) * 10_000 + b"the end"


@pytest.fixture
def stack_settings(hosted: HostedRepository, stack_settings: Settings) -> Settings:
    return replace(stack_settings, lfs=True, ca_bundle=hosted.host.ca_pem)


def pointer_to(data: bytes) -> str:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid_of(data)}\nsize {len(data)}\n"


def oid_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def track(hosted: HostedRepository, *, kept: bool = True, **files: bytes) -> None:
    """Commit `files` as git-lfs does: pointers in the tree, and objects (if `kept`) at the host."""
    hosted.work.write(".gitattributes", "*.mp4 filter=lfs diff=lfs merge=lfs -text\n")
    for name, data in files.items():
        hosted.work.write(f"media/{name}.mp4", pointer_to(data))
        if kept:
            hosted.host.add_lfs_object(hosted.full_name, data)
    hosted.work.commit("Media")
    hosted.publish()


def part_of(hosted: HostedRepository) -> Part:
    return Part(b"", pygit2.Repository(str(hosted.work.path)), hosted.work.head(), hosted.full_name)


@pytest.mark.usefixtures("stack")
def test_the_artifact_holds_the_files(hosted: HostedRepository, stack_settings: Settings, root: Path) -> None:
    hosted.work.write("note.txt", pointer_to(VIDEO))  # no file of Git LFS: its attributes do not say so
    hosted.work.write("media/plain.mp4", "committed before it was tracked")
    hosted.work.write("media/run.mp4", pointer_to(b"run"), executable=True)
    hosted.host.add_lfs_object(hosted.full_name, b"run")
    track(hosted, video=VIDEO, again=VIDEO)

    stored = fetch(hosted, stack_settings, root)

    files = unzipped(stored_object(stored.key)[0])
    assert files["media/video.mp4"] == files["media/again.mp4"] == (0o100644, VIDEO)
    assert files["media/run.mp4"] == (0o100755, b"run")
    assert files["media/plain.mp4"][1] == b"committed before it was tracked"
    assert files["note.txt"][1] == pointer_to(VIDEO).encode()
    assert files["README.md"][1] == b"# Hello\n" * 50


@pytest.mark.usefixtures("stack")
def test_what_streamed_is_followed_by_its_sizes(hosted: HostedRepository, stack_settings: Settings, root: Path) -> None:
    track(hosted, video=VIDEO)

    data = stored_object(fetch(hosted, stack_settings, root).key)[0]

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entry = archive.getinfo("media/video.mp4")
    assert entry.compress_size < entry.file_size
    header = LOCAL_HEADER.unpack_from(data, entry.header_offset)
    end = entry.header_offset + LOCAL_HEADER.size + header[-2] + header[-1] + entry.compress_size
    assert DESCRIPTOR_RECORD.unpack_from(data, end) == (DESCRIPTOR, entry.CRC, entry.compress_size, entry.file_size)
    assert data[end + DESCRIPTOR_RECORD.size :].startswith(LOCAL)


@pytest.mark.usefixtures("stack")
def test_the_same_tree_makes_the_same_bytes(hosted: HostedRepository, stack_settings: Settings, root: Path) -> None:
    track(hosted, video=VIDEO)
    first = fetch(hosted, stack_settings, root)
    [before] = versions_of(first.key)
    data = stored_object(first.key)[0]
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=first.key)

    second = fetch(hosted, stack_settings, root.with_name("elsewhere"))

    assert stored_object(second.key)[0] == data
    assert second.content_digest == first.content_digest
    assert before in versions_of(first.key)


@pytest.mark.usefixtures("stack")
def test_without_the_switch_the_pointer_stays(hosted: HostedRepository, stack_settings: Settings, root: Path) -> None:
    track(hosted, kept=False, video=VIDEO)

    stored = fetch(hosted, replace(stack_settings, lfs=False), root)

    assert unzipped(stored_object(stored.key)[0])["media/video.mp4"][1] == pointer_to(VIDEO).encode()


@pytest.mark.usefixtures("stack")
def test_submodules_have_files_of_their_own(
    hosted: HostedRepository, stack_settings: Settings, root: Path, tmp_path: Path
) -> None:
    key = ssh_key()
    hosted.host.add_user_key("octocat", key.public_key)
    library = host(hosted, tmp_path, file="1")
    track(library, video=VIDEO)
    track(hosted, video=b"ours")
    embed(hosted, library, "library")

    stored = fetch(hosted, replace(stack_settings, submodules=True), root, key=key.private_key)

    files = unzipped(stored_object(stored.key)[0])
    assert files["library/media/video.mp4"][1] == VIDEO
    assert files["media/video.mp4"][1] == b"ours"


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"forged" + VIDEO[6:], r"`media/video\.mp4` that 127\.0\.0\.1 sends is another one"),
        (VIDEO + b"more", r"sends is 2560011 bytes long in place of 2560007"),
        (VIDEO[:-1], r"sends is 2560006 bytes long in place of 2560007"),
        (None, r"127\.0\.0\.1 does not have the Git LFS file `media/video\.mp4`"),
    ],
)
def test_an_object_that_is_not_the_one_is_not_stored(
    hosted: HostedRepository, stack_settings: Settings, root: Path, sent: bytes | None, reason: str
) -> None:
    track(hosted, video=VIDEO)
    path = hosted.host.lfs_object_path(hosted.full_name, oid_of(VIDEO))
    path.unlink() if sent is None else path.write_bytes(sent)

    with pytest.raises(PermanentFailure, match=reason):
        fetch(hosted, stack_settings, root)

    s3 = boto3.client("s3")
    assert s3.list_object_versions(Bucket=BUCKET).get("Versions", []) == []
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("pointer", "reason"),
    [
        (pointer_to(VIDEO).replace(str(len(VIDEO)), str(1024**3 + 1)), r"too large: media/video\.mp4"),
        (pointer_to(VIDEO).replace("sha256", "sha512"), r"pointer `media/video\.mp4` cannot be read"),
        (pointer_to(VIDEO).replace("oid", f"ext-0-crypt sha256:{'0' * 64}\noid"), "needs an extension"),
    ],
)
def test_what_cannot_be_fetched_is_never_asked_for(
    hosted: HostedRepository, stack_settings: Settings, root: Path, pointer: str, reason: str
) -> None:
    track(hosted)
    hosted.work.write("media/video.mp4", pointer)
    hosted.work.commit("Media")
    hosted.publish()

    with pytest.raises(PermanentFailure, match=reason):
        fetch(hosted, replace(stack_settings, ca_bundle=""), root)


def test_too_many_together(hosted: HostedRepository, tmp_path: Path) -> None:
    track(hosted, one=b"1" * 600, two=b"2" * 600)

    for limits in (Limits(large_files=1), Limits(large_bytes=1199)):
        with pytest.raises(PermanentFailure, match="too much in Git LFS"):
            write_zip([part_of(hosted)], len, check_time=lambda: None, limits=limits, large_files=lambda _: iter(()))


# Access, over SSH


def test_no_home_and_no_name_are_needed(
    hosted: HostedRepository, stack_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)

    access = access_to(hosted.full_name, settings=stack_settings, key=hosted.key.private_key)

    assert access.url == f"{hosted.host.url}/{hosted.full_name}.git/info/lfs"


def test_only_a_pinned_host_is_asked(hosted: HostedRepository, stack_settings: Settings) -> None:
    other = stack_settings.ssh_known_hosts.split()[0] + " " + ssh_key().public_key

    with pytest.raises(PermanentFailure, match=r"host key of 127\.0\.0\.1 is not the one"):
        access_to(hosted.full_name, settings=replace(stack_settings, ssh_known_hosts=other), key=hosted.key.private_key)


def test_a_key_that_opens_nothing(hosted: HostedRepository, stack_settings: Settings) -> None:
    with pytest.raises(PermanentFailure, match="does not accept the SSH key"):
        access_to(hosted.full_name, settings=stack_settings, key=ssh_key().private_key)


def test_a_host_without_git_lfs_says_why(hosted: HostedRepository, stack_settings: Settings) -> None:
    with pytest.raises(PermanentFailure, match=r"no access to Git LFS files \(git-lfs-authenticate: Repository"):
        access_to("acme/elsewhere", settings=stack_settings, key=hosted.key.private_key)


def test_a_host_that_is_down_is_asked_again(hosted: HostedRepository, stack_settings: Settings) -> None:
    with pytest.raises(TemporaryFailure, match=r"SSH connection to 127\.0\.0\.1 failed"):
        access_to(
            hosted.full_name,
            settings=replace(stack_settings, ssh_port=1, ssh_known_hosts=f"127.0.0.1 {hosted.host.host_key}"),
            key=hosted.key.private_key,
        )


@pytest.mark.parametrize("printed", [b"", b"[]", b'{"header": {"A": "b\\nc"}}', b'{"header": ["A"]}', b"hello"])
def test_an_answer_over_ssh_that_cannot_be_read(
    hosted: HostedRepository, stack_settings: Settings, printed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted.host.lfs, "authenticate", lambda *_: printed)

    with pytest.raises(PermanentFailure, match="its answer cannot be read"):
        access_to(hosted.full_name, settings=stack_settings, key=hosted.key.private_key)


def test_without_an_address_it_is_the_usual_one(
    hosted: HostedRepository, stack_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted.host.lfs, "authenticate", lambda *_: b'{"header": {"Authorization": "RemoteAuth x"}}')

    access = access_to(hosted.full_name, settings=stack_settings, key=hosted.key.private_key)

    assert access == Access(f"https://127.0.0.1/{hosted.full_name}.git/info/lfs", {"Authorization": "RemoteAuth x"})


# Pointers


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version 2\noid sha256:" + "0" * 64 + "\nsize 1\n",
        "oid sha256:" + "0" * 64 + "\nsize 1\n",
        pointer_to(b"x") + "#" * 1024,
    ],
)
def test_what_is_no_pointer(text: str) -> None:
    assert parse(text.encode()) is None


@pytest.mark.parametrize(
    "version", ["https://git-lfs.github.com/spec/v1", "https://hawser.github.com/spec/v1", "http://git-media.io/v/2"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_pointers_of_every_version_and_with_any_line_ends(version: str, end: str, last: bool) -> None:
    text = end.join([f"version {version}", "oid sha256:" + "ab" * 32, "size 12345"]) + (end if last else "")

    assert parse(text.encode()) == Pointer("ab" * 32, 12345)


@pytest.mark.parametrize(
    "text",
    [
        "version https://git-lfs.github.com/spec/v2\noid sha256:" + "0" * 64 + "\nsize 1\n",
        "version https://git-lfs.github.com/spec/v1\noid md5:" + "0" * 32 + "\nsize 1\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize -1\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:../" + "0" * 61 + "\nsize 1\n",
        "version https://git-lfs.github.com/spec/v1",
    ],
)
def test_a_pointer_that_cannot_be_read_is_not_taken_for_the_file(text: str) -> None:
    with pytest.raises(UnreadablePointer):
        parse(text.encode())

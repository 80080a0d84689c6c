import io
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.common.errors import PermanentFailure, TemporaryFailure
from lambdas.zip_download.rewrite import Limits, Rewritten, strip_leading_folder
from tests.lambdas.conftest import GitRepository


def provider_zip(repository: GitRepository, *options: str, commit: str = "HEAD") -> bytes:
    return repository.git(*options, "archive", "--format=zip", "--prefix=acme-site-1a2b3c/", commit)


def plain_zip(repository: GitRepository, *options: str, commit: str = "HEAD") -> bytes:
    return repository.git(*options, "archive", "--format=zip", commit)


def rewrite(
    archive: bytes, *, chunk: int = 0, limits: Limits | None = None, folder: str | None = None
) -> tuple[bytes, Rewritten]:
    source, out = io.BytesIO(archive), io.BytesIO()

    def read(size: int) -> bytes:
        return source.read(min(size, chunk) if chunk else size)

    result = strip_leading_folder(read, out.write, limits or Limits(), folder=folder)
    return out.getvalue(), result


def made_zip(*entries: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("chunk", [0, 1, 7, 4096])
def test_the_result_is_what_git_archives_without_a_prefix(repository: GitRepository, chunk: int) -> None:
    rewritten, result = rewrite(provider_zip(repository), chunk=chunk)

    assert rewritten == plain_zip(repository)
    assert result.comment == repository.head()


def test_exec_bits_and_symlinks_survive(repository: GitRepository, tmp_path: Path) -> None:
    rewritten, _ = rewrite(provider_zip(repository))

    with zipfile.ZipFile(io.BytesIO(rewritten)) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
        assert stat.S_ISLNK(modes["link"])
        assert archive.read("link") == b"bin/run"
        assert modes["bin/run"] & 0o111
        assert archive.testzip() is None


@pytest.mark.parametrize("options", [(), ("-c", "core.compression=0"), ("-c", "core.compression=9")])
def test_files_that_git_streams_are_copied_up_to_their_end(repository: GitRepository, options: tuple[str, ...]) -> None:
    repository.write("large.txt", "".join(f"{n * n}\n" for n in range(300_000)))
    repository.write("zeros.bin", bytes(3_000_000))
    repository.commit("Grow")
    streamed = ("-c", "core.bigFileThreshold=100k", *options)

    rewritten, _ = rewrite(provider_zip(repository, *streamed))

    assert rewritten == plain_zip(repository, *streamed)


def test_more_entries_than_16_bits_count(repository: GitRepository) -> None:
    blob = repository.git("hash-object", "-w", "--stdin", input=b"same").decode().strip()
    index = "".join(f"100644 {blob}\tmany/{n % 100}/{n}\n" for n in range(66_000))
    repository.git("update-index", "--index-info", input=index.encode())
    repository.git("commit", "-q", "-m", "Many")
    repository.git("repack", "-adq")

    rewritten, _ = rewrite(provider_zip(repository))

    assert rewritten == plain_zip(repository)


def test_a_lone_folder_is_not_taken_for_the_leading_one(repository: GitRepository) -> None:
    repository.git("rm", "-rq", "--cached", ".")
    repository.git("add", "app")
    repository.git("commit", "-q", "-m", "Only app")

    rewritten, _ = rewrite(provider_zip(repository))

    assert rewritten == plain_zip(repository)
    assert {"app/app/app.txt"} <= set(zipfile.ZipFile(io.BytesIO(rewritten)).namelist())


def test_a_commit_without_files(repository: GitRepository) -> None:
    repository.git("rm", "-rq", ".")
    repository.git("commit", "-q", "-m", "Empty")

    rewritten, result = rewrite(provider_zip(repository))

    assert zipfile.ZipFile(io.BytesIO(rewritten)).namelist() == []
    assert result.entries == []


def test_the_digest_covers_names_modes_and_content(repository: GitRepository) -> None:
    _, before = rewrite(provider_zip(repository))
    repository.commit("Nothing but a new commit")
    _, same = rewrite(provider_zip(repository))
    (repository.path / "README.md").chmod(0o755)
    repository.commit("Executable")
    _, other = rewrite(provider_zip(repository))

    (repository.path / "README.md").chmod(0o644)
    repository.write("README.md", "other")
    repository.commit("Other content")
    _, changed = rewrite(provider_zip(repository))

    assert before.entries == same.entries
    assert before.entries != other.entries
    assert before.content_digest == same.content_digest
    assert len({each.content_digest for each in (before, other, changed)}) == 3


@pytest.mark.parametrize("name", ["x/../../evil", "x//etc/passwd", "x/./a", "x/a/../b", "x/..\\evil", "x/.."])
def test_names_that_would_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(PermanentFailure, match="must not be unpacked"):
        rewrite(made_zip(("x/ok", b"1"), (name, b"2")))


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (b"", "not send a zip"),
        (b"<html>Sign in</html>", "not send a zip"),
        (made_zip(("a/1", b"x"), ("b/2", b"y")), "one folder"),
        (made_zip(("top-level", b"x")), "one folder"),
        (made_zip(("a/1", b"x")) + b"more", "follows its end"),
        (made_zip(("a/1", b"x"), compression=zipfile.ZIP_BZIP2), "method"),
    ],
)
def test_what_is_not_such_an_archive_is_a_permanent_failure(archive: bytes, words: str) -> None:
    with pytest.raises(PermanentFailure, match=words):
        rewrite(archive)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused() -> None:
    with pytest.raises(PermanentFailure, match="two entries"):
        rewrite(made_zip(("a/1", b"x"), ("a/1", b"y")))


@pytest.mark.parametrize(
    "limits",
    [Limits(entries=3), Limits(archive_bytes=1000), Limits(unpacked_bytes=5000)],
    ids=["entries", "size", "unpacked"],
)
def test_limits_are_kept(repository: GitRepository, limits: Limits) -> None:
    with pytest.raises(PermanentFailure):
        rewrite(provider_zip(repository), limits=limits)


def test_a_bomb_in_a_streamed_entry_is_noticed_while_it_inflates(repository: GitRepository) -> None:
    repository.write("zeros.bin", bytes(20_000_000))
    repository.commit("Bomb")
    archive = provider_zip(repository, "-c", "core.bigFileThreshold=1m")

    with pytest.raises(PermanentFailure, match="unpacks to more"):
        rewrite(archive, limits=Limits(unpacked_bytes=1_000_000))


def test_a_download_that_breaks_off_is_tried_again(repository: GitRepository) -> None:
    archive = provider_zip(repository)
    for cut in range(40, len(archive) - 1, 97):
        with pytest.raises((TemporaryFailure, PermanentFailure)):
            rewrite(archive[:cut])
    with pytest.raises(TemporaryFailure, match="ended in the middle"):
        rewrite(archive[: len(archive) // 2])


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    made = GitRepository(tmp_path_factory.mktemp("sample"))
    made.git("init", "-q", "-b", "main")
    made.write("a/b.txt", "hello " * 30)
    made.write("c", "d")
    made.commit()
    return provider_zip(made)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_either_harmless_or_a_fetch_error(sample: bytes, data: st.DataObject) -> None:
    damaged = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))

    try:
        rewritten, _ = rewrite(bytes(damaged))
    except (PermanentFailure, TemporaryFailure):
        return
    assert all(not name.startswith("/") and ".." not in name.split("/") for name in _names(rewritten))


def _names(archive: bytes) -> list[str]:
    try:
        return zipfile.ZipFile(io.BytesIO(archive)).namelist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):  # damage that Python's reader refuses
        return []


@pytest.mark.parametrize("folder", ["site", "Site"])
def test_the_folder_that_a_provider_is_to_send_is_stripped(repository: GitRepository, folder: str) -> None:
    archive = repository.git("archive", "--format=zip", "--prefix=site/", "HEAD")

    assert rewrite(archive, folder=folder)[0] == plain_zip(repository)


def test_an_archive_without_a_leading_folder_is_copied_as_it_is(repository: GitRepository) -> None:
    assert rewrite(plain_zip(repository), folder="site")[0] == plain_zip(repository)


def test_an_archive_without_a_leading_folder_keeps_its_only_folder(repository: GitRepository) -> None:
    repository.git("rm", "-rq", "--cached", ".")
    repository.git("add", "app")
    repository.git("commit", "-q", "-m", "Only app")

    rewritten, _ = rewrite(plain_zip(repository), folder="site")

    assert rewritten == plain_zip(repository)


def damaged(archive: bytes, content: bytes) -> bytes:
    """With one bit of this content turned over."""
    at = archive.index(content) + len(content) // 2
    return archive[:at] + bytes([archive[at] ^ 1]) + archive[at + 1 :]


def test_a_damaged_file_that_is_stored_as_it_is_is_fetched_again() -> None:
    content = b"stored as it is"
    archive = made_zip(("x/ok", b"1"), ("x/app.bin", content), compression=zipfile.ZIP_STORED)

    assert rewrite(archive)
    with pytest.raises(TemporaryFailure, match=r"checksum of x/app\.bin does not match"):
        rewrite(damaged(archive, content))


def test_a_damaged_file_that_git_streams_is_fetched_again(repository: GitRepository) -> None:
    repository.write("large.txt", "".join(f"{n * n}\n" for n in range(100_000)))
    repository.commit("Grow")
    archive = provider_zip(repository, "-c", "core.bigFileThreshold=100k")
    at = archive.index(b"PK\x07\x08") + 4  # the checksum in its descriptor

    with pytest.raises(TemporaryFailure, match=r"checksum of .*large\.txt does not match"):
        rewrite(archive[:at] + bytes([archive[at] ^ 1]) + archive[at + 1 :])

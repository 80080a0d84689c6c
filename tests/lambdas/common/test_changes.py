import io
import zipfile

import boto3
import pytest

from lambdas.common import changes
from lambdas.common.artifacts import ContentEntry
from lambdas.common.changes import newest_content, require_wanted
from lambdas.common.errors import NotWanted
from lambdas.common.paths import PathFilter
from lambdas.common.worker import Job
from lambdas.common.zip_format import CentralEntry, end_records
from tests.lambdas.conftest import BUCKET, GitRepository, make_job

pytestmark = pytest.mark.usefixtures("stack")
KEY = "acme/site/main/site.zip"


def put(archive: bytes) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=archive)


def content(**files: str) -> set[ContentEntry]:
    """What an artifact with these files is made of. `__` stands for a slash."""
    put(zip_of(**files))
    found = newest_content(boto3.client("s3"), BUCKET, KEY)
    assert found is not None
    return found


def zip_of(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/"), text)
    return out.getvalue()


def job(*, check_paths: bool = True) -> Job:
    made = make_job("acme/site", "a" * 40)
    return Job(made.request, made.artifact, made.deadline, check_paths=check_paths)


def require(now: set[ContentEntry], paths: str = "app", *, check_paths: bool = True) -> None:
    require_wanted(job(check_paths=check_paths), PathFilter.parse(paths, ""), boto3.client("s3"), now)


def test_the_content_of_an_artifact_is_read_from_its_end(
    repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(repository.git("archive", "--format=zip", "HEAD"))
    names = {name.split("\t")[1] for name in repository.git("ls-tree", "-r", "-z", "HEAD").decode().split("\0") if name}
    for tail in (changes._TAIL, 22 + 40):  # the directory within the first part that is read, and before it
        monkeypatch.setattr(changes, "_TAIL", tail)
        found = newest_content(boto3.client("s3"), BUCKET, KEY)
        assert {entry.name.decode() for entry in found or ()} == names


def test_a_directory_that_only_zip64_can_tell() -> None:
    entry = CentralEntry(3 << 8, 20, 0, 0, 0, 33, 7, 1, 1, 0, 0o100644 << 16, 0, b"")
    names = [b"%d" % number for number in range(66_000)]
    directory = b""
    for entry.name in names:
        directory += entry.pack()
    put(b"content" + directory + end_records([entry] * len(names), size=len(directory), offset=7, comment=b""))

    found = newest_content(boto3.client("s3"), BUCKET, KEY)
    assert {each.name for each in found or ()} == set(names)


@pytest.mark.parametrize(
    "archive",
    [None, b"", b"no zip", b"PK\x05\x06", zip_of(a="1")[:-30]],
    ids=["none", "empty", "no zip", "only a signature", "cut off"],
)
def test_without_an_artifact_that_can_be_read_every_commit_is_wanted(archive: bytes | None) -> None:
    now = content(docs__a="1")
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=KEY)
    if archive is not None:
        put(archive)

    require(now)


def test_a_commit_that_changes_only_other_files_is_not_wanted() -> None:
    now = content(app__main="1", docs__a="new", docs__b="added")
    put(zip_of(app__main="1", docs__a="old", docs__c="removed"))

    with pytest.raises(NotWanted, match=r"each of the 3 changed files matches none of the paths `app`"):
        require(now)


@pytest.mark.parametrize("before", [{"app__main": "0"}, {}, {"app__main": "1", "app__removed": "1"}])
def test_a_commit_is_wanted_that_changes_adds_or_removes_a_file_that_counts(before: dict[str, str]) -> None:
    now = content(app__main="1", docs__a="1")
    put(zip_of(**before, docs__a="1"))

    require(now)


def test_what_the_newest_artifact_lacks_counts_though_another_push_brought_it() -> None:
    """A push to app/ that was lost or replaced by a later one is not lost with it."""
    put(zip_of(app__main="1", docs__a="1"))
    now = content(app__main="2", docs__a="2")
    put(zip_of(app__main="1", docs__a="1"))

    require(now)


def test_the_same_content_is_left_to_the_writer_to_notice() -> None:
    require(content(docs__a="1"))


@pytest.mark.parametrize(("paths", "check_paths"), [("", True), ("app", False)])
def test_nothing_is_looked_at_unless_it_was_asked_for(paths: str, check_paths: bool) -> None:
    now = content(docs__a="2")
    put(zip_of(docs__a="1"))

    require(now, paths, check_paths=check_paths)

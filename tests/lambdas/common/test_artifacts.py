import random
from typing import Any
from urllib.parse import unquote

import boto3
import pytest
from botocore.exceptions import ClientError

from lambdas.common.artifacts import Artifact, ArtifactWriter, StoredArtifact, content_digest
from lambdas.common.errors import Overtaken
from tests.lambdas.conftest import BUCKET, stored_object, versions_of

KEY = "acme/site/main/site.zip"
PART = 5 * 1024 * 1024


def artifact(*, message: str = "Start", delivery: str = "delivery-1", **known: str) -> Artifact:
    return Artifact(BUCKET, KEY, "c" * 40, "refs/heads/main", "Ada", message, delivery, **known)


def store(data: bytes, digest: str, made: Artifact | None = None) -> StoredArtifact:
    with ArtifactWriter(boto3.client("s3"), made or artifact(), part_size=PART) as writer:
        for start in range(0, len(data), 300_000):
            writer.write(data[start : start + 300_000])
        return writer.finish(digest)


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART, 3 * PART + 17])
def test_any_size_is_stored_as_it_is(size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    stored = store(data[:size], "digest")

    assert stored_object(KEY)[0] == data[:size]
    assert (stored.size, stored.version_id) == (size, versions_of(KEY)[0])


@pytest.mark.usefixtures("stack")
def test_an_error_leaves_no_version_and_no_upload() -> None:
    def interrupted() -> None:
        with ArtifactWriter(boto3.client("s3"), artifact(), part_size=PART) as writer:
            writer.write(bytes(3 * PART))
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        interrupted()

    assert versions_of(KEY) == []
    assert "Uploads" not in boto3.client("s3").list_multipart_uploads(Bucket=BUCKET)


@pytest.mark.usefixtures("stack")
def test_a_refused_part_is_an_error() -> None:
    def refused() -> None:
        with ArtifactWriter(boto3.client("s3"), artifact(), part_size=PART) as writer:
            writer.write(bytes(2 * PART))
            [upload] = boto3.client("s3").list_multipart_uploads(Bucket=BUCKET)["Uploads"]
            boto3.client("s3").abort_multipart_upload(Bucket=BUCKET, Key=KEY, UploadId=upload["UploadId"])
            writer.write(bytes(3 * PART))
            writer.finish("digest")

    with pytest.raises(ClientError):
        refused()


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("size", [10, 3 * PART])
def test_known_content_is_not_stored_again(size: int) -> None:
    first = store(bytes(size), "same", artifact(delivery="one"))
    known = artifact(delivery="two", newest_version_id=first.version_id, newest_digest="same")
    second = store(bytes(size), "same", known)

    assert versions_of(KEY) == [first.version_id] == [second.version_id]
    assert second.reason == "The content has not changed: the version before stands"
    assert "Uploads" not in boto3.client("s3").list_multipart_uploads(Bucket=BUCKET)


@pytest.mark.usefixtures("stack")
def test_other_content_is_a_new_version_and_so_is_content_that_returns() -> None:
    store(b"1", "one", artifact(delivery="one"))
    store(b"2", "two", artifact(delivery="two"))
    store(b"1", "one", artifact(delivery="three"))

    assert len(versions_of(KEY)) == 3


@pytest.mark.usefixtures("stack")
def test_a_digest_that_is_of_another_version_counts_for_nothing() -> None:
    first = store(bytes(3 * PART), "one", artifact(delivery="one"))
    store(bytes(3 * PART) + b"2", "two", artifact(delivery="two"))
    store(bytes(3 * PART), "one", artifact(newest_version_id=first.version_id, newest_digest="one"))

    assert len(versions_of(KEY)) == 3


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("size", [1, 3 * PART])
def test_an_attempt_that_died_after_storing_is_found_stored(size: int) -> None:
    first = store(bytes(size), "one")

    again = store(bytes(size), "one")

    assert (again.version_id, again.reason) == (first.version_id, "Stored")
    assert len(versions_of(KEY)) == 1


@pytest.mark.usefixtures("stack")
def test_metadata_survive_any_text_and_fit_what_s3_takes() -> None:
    message = "Grüße, 世界 \n\x00 100% " + "é" * 5000 + "\udcff"
    made = Artifact(BUCKET, KEY, "c" * 64, "refs/heads/" + "ü" * 400, "Ada " * 900, message, "d" * 300)
    with ArtifactWriter(boto3.client("s3"), made) as writer:
        writer.write(b"1")
        writer.finish("f" * 64)

    metadata = stored_object(KEY)[1]
    assert sum(len(name) + len(value) for name, value in metadata.items()) <= 2048
    assert message.startswith(unquote(metadata["message"], errors="strict"))
    assert unquote(metadata["ref"], errors="strict").startswith("refs/heads/ü")


def test_the_digest_depends_on_every_name_mode_and_content() -> None:
    one, two = (b"a", 0o100644, b"\1"), (b"b", 0o100755, b"\2")
    contents = [
        [one, two],
        [one],
        [],
        [one, (b"c", 0o100755, b"\2")],
        [one, (b"b", 0o100644, b"\2")],
        [one, (b"b", 0o100755, b"\3")],
        [(b"a", 0o100644, b"\1b"), two],
    ]

    assert len({content_digest(each) for each in contents}) == len(contents)


def send_twice(client: Any, operation: str) -> None:
    """Have boto3 do as it does where the answer to a request is lost: send it once more."""

    def again(attempts: int, **_: object) -> float | None:
        return 0 if attempts == 1 else None

    client.meta.events.register_first(f"needs-retry.s3.{operation}", again)


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize("before", [[], [b"what was there before"]])
@pytest.mark.parametrize(("size", "operation"), [(10, "PutObject"), (3 * PART, "CompleteMultipartUpload")])
def test_a_lost_answer_makes_no_second_version(size: int, operation: str, before: list[bytes]) -> None:
    for content in before:
        store(content, "before", artifact(delivery="earlier"))
    client, asked = boto3.client("s3"), artifact()
    send_twice(client, operation)

    with ArtifactWriter(client, asked, part_size=PART) as writer:
        writer.write(random.Random(size).randbytes(size))
        stored = writer.finish("digest")

    assert versions_of(KEY) == [stored.version_id, *versions_of(KEY)[1:]]
    assert len(versions_of(KEY)) == len(before) + 1
    assert (stored.reason, stored.size) == ("Stored", size)


@pytest.mark.usefixtures("stack")
def test_what_another_writer_stored_meanwhile_is_looked_at_again() -> None:
    client, asked = boto3.client("s3"), list[str]()

    def overtaken() -> None:
        asked.append("newest?")
        if len(asked) == 1:
            store(b"newer", "newer", artifact(delivery="newer"))
        else:
            raise Overtaken("A newer push to the same ref took its place")

    with ArtifactWriter(client, artifact(delivery="old"), require_newest=overtaken) as writer:
        writer.write(b"older")
        with pytest.raises(Overtaken):
            writer.finish("older")

    assert len(versions_of(KEY)) == 1
    assert client.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == b"newer"

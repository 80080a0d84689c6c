"""Writing an artifact into the versioned output bucket, as a stream, and only if its content is new."""

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from lambdas.common import log

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, HeadObjectOutputTypeDef

PART_SIZE = 8 * 1024 * 1024
"""Bytes; parts but the last are at least 5 MiB: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""
IN_FLIGHT = 2
TRIES = 3
_CHANGED_MEANWHILE = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "NoSuchUpload"})
"""What S3 answers to a conditional write whose condition does not hold (any more), or whose upload is complete."""
# S3 takes 2 KB of user metadata in all, names included.
_CAPS = {"ref": 400, "author": 200, "message": 600, "delivery-id": 150}


@dataclass(frozen=True, slots=True)
class Artifact:
    """What is to be stored, and what is known of the newest version that is there already."""

    bucket: str
    key: str
    commit: str
    ref: str
    author: str
    message: str
    delivery_id: str
    newest_version_id: str = ""
    newest_digest: str = ""

    def metadata(self, content_digest: str = "") -> dict[str, str]:
        """S3 user metadata: percent-encoded UTF-8, each value capped."""
        values = {
            "commit": self.commit,
            "ref": self.ref,
            "author": self.author,
            "message": self.message,
            "delivery-id": self.delivery_id,
            "content-digest": content_digest,
        }
        return {name: _encoded(value, _CAPS.get(name, 100)) for name, value in values.items() if value}


@dataclass(frozen=True, slots=True)
class StoredArtifact:
    """The object version that holds a commit."""

    bucket: str
    key: str
    version_id: str
    size: int
    content_digest: str
    reason: str
    """In words for people: stored, or the same content as before."""


@dataclass(frozen=True, slots=True, order=True)
class ContentEntry:
    """A file or symlink as a zip's directory tells of it. Directories do not count: git does not know empty ones."""

    name: bytes
    mode: int
    crc: int
    size: int


def content_digest(content: Iterable[tuple[bytes, int, bytes]]) -> str:
    """SHA-256, in hex, over name, mode and digest of each file and symlink, in the order of their names.

    A file's digest is what no other content has: SHA-256 of its packed bytes, or the id of its git object. Not its
    CRC-32, which whoever may push can choose. So equal artifacts of one method have equal digests.
    """
    total = hashlib.sha256()
    for name, mode, digest in content:
        total.update(b"%d:%b %o %d:%b\n" % (len(name), name, mode, len(digest), digest))
    return total.hexdigest()


class ArtifactWriter:
    """Streams one artifact to S3: a single PUT if it fits one part, else a multipart upload with two parts in flight.

    Nothing becomes visible before `finish`; leaving the `with` block without it aborts the upload. `require_newest` is
    asked just before and may raise.
    """

    def __init__(
        self,
        s3: "S3Client",
        artifact: Artifact,
        *,
        part_size: int = PART_SIZE,
        require_newest: Callable[[], object] = lambda: None,
    ) -> None:
        self._s3, self._artifact, self._part_size = s3, artifact, part_size
        self._require_newest = require_newest
        self._buffer = bytearray()
        self._size = 0
        self._upload_id = ""
        self._parts: list[Future[CompletedPartTypeDef]] = []
        self._pool: ThreadPoolExecutor | None = None
        self._finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        if self._upload_id and not self._finished:
            self._s3.abort_multipart_upload(
                Bucket=self._artifact.bucket, Key=self._artifact.key, UploadId=self._upload_id
            )

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append to the artifact. Raises botocore's errors, also those of parts sent earlier."""
        self._buffer += data
        self._size += len(data)
        while len(self._buffer) > self._part_size:
            part = bytes(memoryview(self._buffer)[: self._part_size])
            del self._buffer[: self._part_size]
            self._send(part)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._size

    def finish(self, digest: str) -> StoredArtifact:
        """Complete the upload, unless the newest version has the same content already: then that one stands.

        Only in the place of the version that was looked at: S3 then refuses a request that comes a second time, as it
        does where its first answer was lost, and what another writer overtook.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html

        Raises botocore's errors, and what `require_newest` does.
        """
        if self._upload_id:
            self._send(bytes(self._buffer))
        tries = 0
        while True:
            newest, tries = self._newest(), tries + 1
            if newest is not None:
                version, size = newest["VersionId"], newest["ContentLength"]
                if self._is_mine(newest) and size == self._size:
                    return self._result(version, size, digest, "Stored")
                if digest == self._digest_of(newest):
                    return self._result(version, size, digest, "The content has not changed: the version before stands")
            self._require_newest()
            try:
                version = self._put(newest, digest)
            except self._s3.exceptions.ClientError as error:
                if error.response["Error"].get("Code") not in _CHANGED_MEANWHILE or tries == TRIES:
                    raise
                log.info("artifact_written_meanwhile", key=self._artifact.key, delivery=self._artifact.delivery_id)
                continue
            self._finished = True
            return self._result(version, self._size, digest, "Stored")

    def _put(self, newest: "HeadObjectOutputTypeDef | None", digest: str) -> str:
        """Make the artifact visible in the place of `newest`; returns its version."""
        where: dict[str, Any] = {"Bucket": self._artifact.bucket, "Key": self._artifact.key}
        where |= {"IfNoneMatch": "*"} if newest is None else {"IfMatch": newest["ETag"]}
        if self._upload_id:
            return self._s3.complete_multipart_upload(
                **where,
                UploadId=self._upload_id,
                MultipartUpload={"Parts": [part.result() for part in self._parts]},
            )["VersionId"]
        return self._s3.put_object(
            **where,
            Body=bytes(self._buffer),
            ContentType="application/zip",
            Metadata=self._artifact.metadata(digest),
        )["VersionId"]

    def _result(self, version: str, size: int, digest: str, reason: str) -> StoredArtifact:
        return StoredArtifact(self._artifact.bucket, self._artifact.key, version, size, digest, reason)

    def _send(self, part: bytes) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(IN_FLIGHT)
            # The digest is known only at the end of a stream, and S3 takes metadata only at its start.
            self._upload_id = self._s3.create_multipart_upload(
                Bucket=self._artifact.bucket,
                Key=self._artifact.key,
                ContentType="application/zip",
                ChecksumAlgorithm="CRC32",
                Metadata=self._artifact.metadata(),
            )["UploadId"]
        if len(self._parts) >= IN_FLIGHT:
            self._parts[-IN_FLIGHT].result()
        self._parts.append(self._pool.submit(self._upload_part, len(self._parts) + 1, part))

    def _upload_part(self, number: int, part: bytes) -> "CompletedPartTypeDef":
        answer = self._s3.upload_part(
            Bucket=self._artifact.bucket,
            Key=self._artifact.key,
            UploadId=self._upload_id,
            PartNumber=number,
            Body=part,
            ChecksumAlgorithm="CRC32",
        )
        done: CompletedPartTypeDef = {"PartNumber": number, "ETag": answer["ETag"]}
        if checksum := answer.get("ChecksumCRC32"):
            # S3 wants each part's checksum again when an upload that was begun with checksums is completed.
            done["ChecksumCRC32"] = checksum
        return done

    def _newest(self) -> "HeadObjectOutputTypeDef | None":
        try:
            return self._s3.head_object(Bucket=self._artifact.bucket, Key=self._artifact.key)
        except self._s3.exceptions.ClientError as error:
            # Without leave to list the bucket, S3 answers 403 for a key that is not there.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 404):
                return None
            raise

    def _is_mine(self, newest: "HeadObjectOutputTypeDef") -> bool:
        """Whether an earlier attempt stored this very delivery, and died before it could say so."""
        mine = self._artifact.metadata()
        return all(newest["Metadata"].get(name) == mine.get(name) for name in ("delivery-id", "commit"))

    def _digest_of(self, newest: "HeadObjectOutputTypeDef") -> str:
        own = newest["Metadata"].get("content-digest", "")
        if not own and newest.get("VersionId") == self._artifact.newest_version_id:
            return self._artifact.newest_digest
        return own


def _encoded(text: str, limit: int) -> str:
    """Percent-encode, and cut between characters so that at most `limit` characters remain."""
    kept: list[str] = []
    size = 0
    for character in text:
        encoded = quote(character.encode("utf-8", "replace"), safe="/:@,()+=!")
        size += len(encoded)
        if size > limit:
            break
        kept.append(encoded)
    return "".join(kept)

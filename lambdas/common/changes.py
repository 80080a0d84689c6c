"""What a commit changes: its content beside that of the newest artifact of its ref.

A webhook's list of files says what one push changed. What matters is what the artifact does not have yet, also after
pushes that were lost, taken back or replaced by later ones; and this can be had of every provider. Zip download asks
the provider first, which may save the download.
"""

import io
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lambdas.common import log
from lambdas.common.artifacts import ContentEntry
from lambdas.common.errors import NotWanted
from lambdas.common.paths import PathFilter
from lambdas.common.worker import Job
from lambdas.common.zip_format import (
    END,
    END64_LOCATOR,
    END64_LOCATOR_RECORD,
    END64_RECORD,
    END_RECORD,
    MAX16,
    MAX32,
    CentralEntry,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_DIRECTORY = 64 * 1024 * 1024
"""Bytes of a zip's directory that are read; half a million files have less."""
_TAIL = END_RECORD.size + MAX16
"""The end record of a zip and the longest comment."""
REGULAR = 0o100644


def require_wanted(job: Job, paths: PathFilter, s3: "S3Client", content: Iterable[ContentEntry]) -> None:
    """Raise NotWanted if it was left to the worker to look, and no file counts that differs from the newest artifact.

    Without an artifact that can be read, every commit is wanted.
    """
    if not job.check_paths or not paths:
        return
    before = newest_content(s3, job.artifact.bucket, job.artifact.key)
    if before is None:
        return
    differing = before.symmetric_difference(content)
    changed = sorted({entry.name.decode(errors="replace") for entry in differing})
    if changed and (reason := paths.why_not(changed)):
        raise NotWanted(reason)


def newest_commit(s3: "S3Client", bucket: str, key: str) -> str:
    """The commit of an artifact's newest version; empty if there is none."""
    try:
        return s3.head_object(Bucket=bucket, Key=key)["Metadata"].get("commit", "")
    except s3.exceptions.ClientError as error:
        # Without leave to list the bucket, S3 answers 403 for a key that is not there.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 404):
            return ""
        raise


def content_of(entries: Iterable[CentralEntry]) -> list[ContentEntry]:
    """The files and symlinks of a zip's directory."""
    return [
        ContentEntry(entry.name, entry.unix_mode or REGULAR, entry.crc, entry.size)
        for entry in entries
        if not entry.is_directory
    ]


def newest_content(s3: "S3Client", bucket: str, key: str) -> set[ContentEntry] | None:
    """The files of an artifact's newest version, read from the end of its zip; None if there is none to be read."""
    try:
        return _read(s3, bucket, key)
    except s3.exceptions.ClientError as error:
        # 403 is what S3 answers for a key that is not there, without leave to list; 412 if it was replaced meanwhile.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 404, 412, 416):
            return None
        raise
    except (ValueError, struct.error) as error:
        log.exception("artifact_unreadable", error, key=key)
        return None


def _read(s3: "S3Client", bucket: str, key: str) -> set[ContentEntry]:
    answer = s3.get_object(
        Bucket=bucket, Key=key, Range=f"bytes=-{_TAIL + END64_LOCATOR_RECORD.size + END64_RECORD.size}"
    )
    tail = answer["Body"].read()
    total = int(answer.get("ContentRange", f"/{len(tail)}").rpartition("/")[2])
    offset, size = _directory(tail, total)
    if size > MAX_DIRECTORY:
        raise ValueError("its directory is too large")
    start = offset - (total - len(tail))
    if start >= 0:
        data = tail[start : start + size]
    elif size:
        last = offset + size - 1
        part = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={offset}-{last}", IfMatch=answer["ETag"])
        data = part["Body"].read()
    return set(content_of(_entries(data)))


def _directory(tail: bytes, total: int) -> tuple[int, int]:
    """Offset and size of a zip's directory, from its last bytes."""
    end = tail.rfind(END)
    if end < 0 or end + END_RECORD.size > len(tail):
        raise ValueError("it is no zip")
    *_, count, size, offset, _ = END_RECORD.unpack_from(tail, end)
    locator = end - END64_LOCATOR_RECORD.size
    if MAX32 in (size, offset) or count == MAX16:
        if locator < 0 or tail[locator : locator + 4] != END64_LOCATOR:
            return offset, size
        _, _, place, _ = END64_LOCATOR_RECORD.unpack_from(tail, locator)
        *_, size, offset = END64_RECORD.unpack_from(tail, place - (total - len(tail)))
    return offset, size


def _entries(data: bytes) -> Iterable[CentralEntry]:
    stream = io.BytesIO(data)
    while stream.tell() < len(data):
        yield CentralEntry.read(stream.read)

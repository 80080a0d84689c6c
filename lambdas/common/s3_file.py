"""One version of an object as a file that can be read anywhere: only what is read is fetched, by ranged GETs."""

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCK = 256 * 1024
"""Bytes a small read fetches: as a rule one request for the end of an archive with its directory."""
LIMIT = 256 * 1024 * 1024
"""Bytes that may be read in all."""


class S3File(io.RawIOBase):
    """Raises ValueError once more than LIMIT bytes were read, and botocore's errors."""

    def __init__(self, s3: "S3Client", *, bucket: str, key: str, version_id: str, size: int) -> None:
        self._s3 = s3
        self._where: dict[str, Any] = {"Bucket": bucket, "Key": key}
        if version_id:
            self._where["VersionId"] = version_id
        self._size, self._position, self._read = size, 0, 0

    def buffered(self) -> io.BufferedReader:
        """With a buffer of one block, as parsers read many small pieces."""
        return io.BufferedReader(self, BLOCK)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("There is nothing before the beginning")  # as files on a disk say it
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._position)
        if wanted <= 0:
            return 0
        self._read += wanted
        if self._read > LIMIT:
            raise ValueError("its directory is larger than can be looked at")
        last = self._position + wanted - 1
        data = self._s3.get_object(**self._where, Range=f"bytes={self._position}-{last}")["Body"].read()
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

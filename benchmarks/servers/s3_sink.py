"""As much of S3 as an upload needs: PUT, multipart, HEAD; a GET finds nothing. Counts bytes and throws them away.

Buckets need not be made. Only the object of a bucket whose name begins with `keep-` is written down, to be compared;
the others cost the disk nothing, so that no emulator's own slowness is measured.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import parse_qs, urlsplit

from benchmarks.servers.http import Handler, folder_from_arguments, serve

_FOLDER = folder_from_arguments()
_CHUNK = 256 * 1024
_numbers = itertools.count(1)
_lock = threading.Lock()


@dataclass(slots=True)
class _Object:
    metadata: dict[str, str]
    size: int = 0
    version: str = ""
    parts: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    """Number -> (size, content if it is kept)."""


_objects: dict[str, _Object] = {}
_uploads: dict[str, _Object] = {}


class _Sink(Handler):
    def do_HEAD(self) -> None:  # noqa: N802
        found = _objects.get(urlsplit(self.path).path)
        if found is None:
            self.answer(404)
            return
        headers = found.metadata | {"Content-Length": str(found.size), "x-amz-version-id": found.version}
        self.answer(200, headers | {"ETag": '"0"'})

    def do_GET(self) -> None:  # noqa: N802
        self.answer(404, {"Content-Type": "application/xml"}, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_POST(self) -> None:  # noqa: N802
        path, query = self._target()
        for _ in self._body():
            pass
        if "uploads" in query:
            upload = f"upload-{next(_numbers)}"
            with _lock:
                _uploads[upload] = _Object(self._metadata())
            self._answer_xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>")
        else:
            with _lock:
                stored = _uploads.pop(query["uploadId"][0])
            self._store(path, stored)
            self._answer_xml("CompleteMultipartUploadResult", "<ETag>0</ETag>", stored.version)

    def do_PUT(self) -> None:  # noqa: N802
        path, query = self._target()
        keep = path.startswith("/keep-")
        size, kept = 0, []
        for data in self._body():
            size += len(data)
            if keep:
                kept.append(data)
        part = (size, b"".join(kept))
        if "uploadId" in query:
            with _lock:
                _uploads[query["uploadId"][0]].parts[int(query["partNumber"][0])] = part
            self.answer(200, {"ETag": '"0"'})
        else:
            stored = _Object(self._metadata(), parts={1: part})
            self._store(path, stored)
            self.answer(200, {"ETag": '"0"', "x-amz-version-id": stored.version})

    def do_DELETE(self) -> None:  # noqa: N802
        _, query = self._target()
        with _lock:
            _uploads.pop(query["uploadId"][0], None)
        self.answer(204)

    def _target(self) -> tuple[str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        return parts.path, parse_qs(parts.query, keep_blank_values=True)

    def _metadata(self) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if name.lower().startswith("x-amz-meta-")}

    def _store(self, path: str, stored: _Object) -> None:
        stored.version = f"version-{next(_numbers)}"
        stored.size = sum(size for size, _ in stored.parts.values())
        bucket = path.split("/")[1]
        if bucket.startswith("keep-"):
            with (_FOLDER.kept / f"{bucket}.zip").open("wb") as file:
                file.writelines(content for _, (_, content) in sorted(stored.parts.items()))
        stored.parts.clear()
        with _lock:
            _objects[path] = stored

    def _answer_xml(self, tag: str, content: str, version: str = "") -> None:
        body = f'<{tag} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{content}</{tag}>'
        self.answer(200, {"Content-Type": "application/xml", "x-amz-version-id": version}, body.encode())

    def _body(self) -> Iterator[bytes]:
        """The object's bytes, out of the chunks of HTTP and of AWS.

        https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
        """
        raw: BinaryIO = self.rfile  # type: ignore[assignment]
        if self.headers.get("Transfer-Encoding") == "chunked":
            pieces = _chunks(raw)
        else:
            pieces = _exactly(raw, int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            yield from pieces
            return
        yield from _aws_chunks(pieces)


def _exactly(raw: BinaryIO, size: int) -> Iterator[bytes]:
    while size:
        data = raw.read(min(size, _CHUNK))
        if not data:
            raise ConnectionError("The client went away")
        size -= len(data)
        yield data


def _chunks(raw: BinaryIO) -> Iterator[bytes]:
    while size := int(raw.readline().split(b";")[0], 16):
        yield raw.read(size)
        raw.readline()
    raw.readline()


def _aws_chunks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Undo `<hex size>\\r\\n<data>\\r\\n ... 0\\r\\n<trailers>`; headers may be split anywhere between pieces."""
    buffer, left = b"", -1
    for piece in pieces:
        buffer = buffer + piece if buffer else piece
        while buffer and left:
            if left < 0:
                header, found, rest = buffer.removeprefix(b"\r\n").partition(b"\r\n")
                if not found:
                    break
                left, buffer = int(header.split(b";")[0], 16), rest
            else:
                data, buffer = buffer[:left], buffer[left:]
                left = left - len(data) or -1
                yield data
        if left == 0:
            buffer = b""


if __name__ == "__main__":
    serve(_Sink, _FOLDER)

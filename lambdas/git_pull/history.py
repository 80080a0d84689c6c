"""Keeps each fetched repository as one object in the stack's cache bucket: a cold start then fetches only the change.

The cache is never needed: whatever is wrong with it is logged, and the fetch starts from nothing.
"""

import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common import log
from lambdas.git_pull.repository import discard, packs_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

GROWTH, SLACK, NEW_PACKS = 1.5, 8 * 1024 * 1024, 10
"""A repository is kept again once it has grown by this much, in bytes or in packs."""
_MARK = "kept"
_KEPT = ("HEAD", "config", "objects", "packed-refs", "refs", "shallow")


class History:
    """Repositories under `root`, by the names of their folders, and their copies in `bucket` (empty: none are kept)."""

    def __init__(self, s3: "S3Client", bucket: str, root: Path) -> None:
        self._s3, self._bucket, self.root = s3, bucket, root

    def restore(self, path: Path) -> bool:
        """Bring the copy of a repository to `path`, where nothing is. False if there is no copy that works."""
        if not self._bucket:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=self.root.parent))
        try:
            body = self._s3.get_object(Bucket=self._bucket, Key=_key(path))["Body"]
            with tarfile.open(fileobj=body, mode="r|") as archive:
                archive.extractall(place, filter="data")
            mark(place)
            place.rename(path)
        except self._s3.exceptions.NoSuchKey:
            return False
        except (ClientError, BotoCoreError, tarfile.TarError, OSError) as error:
            log.exception("history_not_restored", error)
            return False
        finally:
            discard(place)
        log.info("history_restored", repository=path.name)
        return True

    def keep(self) -> None:
        """Write the copies that are missing or lag behind."""
        if not self._bucket or not self.root.exists():
            return
        for path in self.root.iterdir():
            if (path / "HEAD").exists() and _has_grown(path):
                try:
                    self._write(path)
                except (ClientError, BotoCoreError, OSError) as error:
                    log.exception("history_not_kept", error)

    def _write(self, path: Path) -> None:
        with tempfile.TemporaryFile(dir=self.root.parent) as file:
            with tarfile.open(fileobj=file, mode="w") as archive:
                for name in _KEPT:
                    if (path / name).exists():
                        archive.add(path / name, name)
            size = file.tell()
            file.seek(0)
            self._s3.upload_fileobj(file, self._bucket, _key(path))
        mark(path)
        log.info("history_kept", repository=path.name, bytes=size)


def mark(path: Path) -> None:
    """Note how large the repository is as it is kept now."""
    sizes = packs_of(path)
    (path / _MARK).write_text(f"{sum(sizes)} {len(sizes)}")


def _has_grown(path: Path) -> bool:
    sizes = packs_of(path)
    try:
        kept_bytes, kept_packs = map(int, (path / _MARK).read_text().split())
    except (OSError, ValueError):
        return bool(sizes)
    return sum(sizes) > kept_bytes * GROWTH + SLACK or len(sizes) >= kept_packs + NEW_PACKS


def _key(path: Path) -> str:
    return f"git/{path.name}.tar"

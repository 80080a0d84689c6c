"""From a push to a stored artifact, through a shallow fetch over SSH or HTTPS."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2

from lambdas.common import log
from lambdas.common.artifacts import ArtifactWriter, StoredArtifact
from lambdas.common.changes import require_wanted
from lambdas.common.https import tls_context
from lambdas.common.worker import Job
from lambdas.git_pull import lfs
from lambdas.git_pull.archive import write_zip
from lambdas.git_pull.history import History
from lambdas.git_pull.relay import Credentials
from lambdas.git_pull.repository import directory_for, fetch_commit
from lambdas.git_pull.settings import Settings
from lambdas.git_pull.submodules import Part, with_submodules
from lambdas.git_pull.transports import Transport, opened

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


SHOWN = 3
"""Files that are named for an attribute."""


def fetch(
    job: Job,
    *,
    settings: Settings,
    key: str,
    root: Path,
    s3: "S3Client",
    history: History,
    credentials: Credentials | None = None,
) -> StoredArtifact:
    """Fetch the commit into a repository under `root`, and its tree into the output bucket.

    `key` is for SSH, `credentials` for HTTPS. Raises FetchError, NotWanted, or botocore's errors.
    """
    with opened(settings, key=key, credentials=credentials, root=root, check_time=job.check_time) as transport:
        return _stored(job, settings=settings, transport=transport, s3=s3, history=history)


def _stored(job: Job, *, settings: Settings, transport: Transport, s3: "S3Client", history: History) -> StoredArtifact:
    request = job.request

    def get(name: str, commit: str, ref: str = "HEAD") -> pygit2.Repository:
        path = directory_for(history.root, transport.address(name))
        return fetch_commit(
            path,
            transport.url(name),
            ref,
            commit,
            transport.callbacks,
            restore=history.restore,
            failure=partial(transport.failure, name),
        )

    repository = get(request.repository, request.commit, request.ref)
    parts = [Part(b"", repository, request.commit, request.repository)]
    if settings.submodules:
        hosts = (transport.host, settings.git_host, settings.ssh_host)
        parts = with_submodules(repository, request.commit, name=request.repository, hosts=hosts, fetch=get)
    large_files = None
    if settings.lfs:
        large_files = partial(
            lfs.contents,
            ask=transport.lfs_access,
            hosts=(settings.git_host, settings.ssh_host),
            tls=tls_context(settings.ca_bundle),
            check_time=job.check_time,
        )
    with ArtifactWriter(s3, job.artifact, require_newest=job.require_newest) as writer:
        written = write_zip(parts, writer.write, check_time=job.check_time, large_files=large_files)
        if written.submodules:
            log.info("submodules_left_out", delivery=request.delivery, paths=written.submodules[:20])
        require_wanted(job, settings.paths, s3, written.entries)
        stored = writer.finish(written.content_digest)
    if not written.unchanged:
        return stored
    return replace(stored, reason=f"{stored.reason}. {_as_committed(written.unchanged)}")


def _as_committed(unchanged: Mapping[str, Sequence[str]]) -> str:
    """In words which files `git archive` would have changed."""
    said = []
    for attribute, names in sorted(unchanged.items()):
        shown = ", ".join(f"`{name[:60]}`" for name in sorted(names)[:SHOWN])
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        said.append(f"{attribute} of {shown}{more}")
    return f"Files are as committed, without what .gitattributes ask for: {'; '.join(said)}"

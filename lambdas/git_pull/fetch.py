"""From a push to a stored artifact, through a shallow fetch over SSH."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2

from lambdas.common import log
from lambdas.common.artifacts import ArtifactWriter, StoredArtifact
from lambdas.common.changes import require_wanted
from lambdas.common.https import tls_context
from lambdas.common.worker import Job
from lambdas.git_pull import lfs, ssh
from lambdas.git_pull.archive import write_zip
from lambdas.git_pull.history import History
from lambdas.git_pull.lfs_access import access_to
from lambdas.git_pull.repository import directory_for, fetch_commit
from lambdas.git_pull.settings import Settings
from lambdas.git_pull.submodules import Part, with_submodules

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def fetch(job: Job, *, settings: Settings, key: str, root: Path, s3: "S3Client", history: History) -> StoredArtifact:
    """Fetch the commit into a repository under `root`, and its tree into the output bucket.

    Raises FetchError, NotWanted, or botocore's errors.
    """
    ssh.trust_only(settings.ssh_known_hosts, root / "home", host=settings.ssh_host, port=settings.ssh_port)
    request = job.request

    def get(name: str, commit: str, ref: str = "HEAD") -> pygit2.Repository:
        url = settings.url(name)
        return fetch_commit(
            directory_for(history.root, url),
            url,
            ref,
            commit,
            lambda: ssh.SshCallbacks(key=key, check_time=job.check_time),
            restore=history.restore,
        )

    repository = get(request.repository, request.commit, request.ref)
    parts = [Part(b"", repository, request.commit, request.repository)]
    if settings.submodules:
        parts = with_submodules(repository, request.commit, name=request.repository, host=settings.ssh_host, fetch=get)
    large_files = None
    if settings.lfs:
        large_files = partial(
            lfs.contents,
            ask=partial(access_to, settings=settings, key=key),
            host=settings.ssh_host,
            tls=tls_context(settings.ca_bundle),
            check_time=job.check_time,
        )
    with ArtifactWriter(s3, job.artifact, require_newest=job.require_newest) as writer:
        written = write_zip(parts, writer.write, check_time=job.check_time, large_files=large_files)
        if written.submodules:
            log.info("submodules_left_out", delivery=request.delivery, paths=written.submodules[:20])
        require_wanted(job, settings.paths, s3, written.entries)
        return writer.finish(written.content_digest)

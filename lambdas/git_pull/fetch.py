"""From a push to a stored artifact, through a shallow fetch over SSH."""

from pathlib import Path
from typing import TYPE_CHECKING

from lambdas.common import log
from lambdas.common.artifacts import ArtifactWriter, StoredArtifact, content_digest
from lambdas.common.changes import require_wanted
from lambdas.common.worker import Job
from lambdas.git_pull import ssh
from lambdas.git_pull.archive import write_zip
from lambdas.git_pull.history import History
from lambdas.git_pull.repository import directory_for, fetch_commit
from lambdas.git_pull.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def fetch(job: Job, *, settings: Settings, key: str, root: Path, s3: "S3Client", history: History) -> StoredArtifact:
    """Fetch the commit into a repository under `root`, and its tree into the output bucket.

    Raises FetchError, NotWanted, or botocore's errors.
    """
    ssh.trust_only(settings.ssh_known_hosts, root / "home")
    request = job.request
    url = settings.url(request.repository)
    repository = fetch_commit(
        directory_for(history.root, url),
        url,
        request.ref,
        request.commit,
        lambda: ssh.SshCallbacks(key=key, check_time=job.check_time),
        restore=history.restore,
    )
    with ArtifactWriter(s3, job.artifact) as writer:
        written = write_zip(repository, request.commit, writer.write, check_time=job.check_time)
        if written.submodules:
            log.info("submodules_left_out", delivery=request.delivery, paths=written.submodules[:20])
        require_wanted(job, settings.paths, s3, written.entries)
        return writer.finish(content_digest(written.entries))

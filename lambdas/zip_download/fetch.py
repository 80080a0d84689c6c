"""From a push to a stored artifact, through the provider's own zip."""

import re
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lambdas.common.artifacts import ArtifactWriter, StoredArtifact
from lambdas.common.changes import require_wanted
from lambdas.common.errors import PermanentFailure
from lambdas.common.https import reading
from lambdas.common.provider_secret import ProviderSecret
from lambdas.common.providers import PROVIDERS
from lambdas.common.refs import TAG_PREFIX
from lambdas.common.worker import Job
from lambdas.zip_download.compare import ask_first
from lambdas.zip_download.download import authorized, open_archive
from lambdas.zip_download.rewrite import strip_leading_folder
from lambdas.zip_download.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def fetch(
    job: Job, *, settings: Settings, secret: ProviderSecret, tls: ssl.SSLContext, s3: "S3Client"
) -> StoredArtifact:
    """Stream the commit's zip into the output bucket. Raises FetchError, NotWanted, or botocore's errors."""
    commit = job.request.commit
    archive = PROVIDERS[settings.provider_kind].archive
    request = authorized(archive(settings.api_url, job.request.repository, commit, secret), tls)
    not_told = ask_first(job, settings, request, tls, s3)
    host = urlsplit(request.url).hostname or ""
    with (
        open_archive(request, tls) as response,
        ArtifactWriter(s3, job.artifact, require_newest=job.require_newest) as writer,
    ):

        def read(size: int) -> bytes:
            job.check_time()
            with reading(host):
                return response.read(size)

        rewritten = strip_leading_folder(read, writer.write, folder=request.folder)
        # Not every provider has git name the commit there; and an annotated tag's own id stands for another one's.
        named = re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", rewritten.comment)
        if named and named[0] != commit and not job.request.ref.startswith(TAG_PREFIX):
            raise PermanentFailure(f"{host} sent commit {named[0][:12]} in place of {commit[:12]}")
        require_wanted(job, settings.paths, s3, rewritten.entries)
        stored = writer.finish(rewritten.content_digest)
        return replace(stored, reason=f"{stored.reason}. {not_told}") if not_told else stored

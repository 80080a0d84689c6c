"""From a push to a stored artifact, through the provider's own zip."""

import re
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lambdas.common.artifacts import ArtifactWriter, StoredArtifact, content_digest
from lambdas.common.errors import PermanentFailure
from lambdas.common.provider_secret import ProviderSecret
from lambdas.common.worker import Job
from lambdas.zip_download.download import open_archive, reading
from lambdas.zip_download.rewrite import strip_leading_folder
from lambdas.zip_download.settings import Settings
from lambdas.zip_download.sources import SOURCES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def fetch(
    job: Job, *, settings: Settings, secret: ProviderSecret, tls: ssl.SSLContext, s3: "S3Client"
) -> StoredArtifact:
    """Stream the commit's zip into the output bucket. Raises FetchError, or botocore's errors."""
    commit = job.request.commit
    request = SOURCES[settings.provider_kind](settings.api_url, job.request.repository, commit, secret)
    host = urlsplit(request.url).hostname or ""
    with open_archive(request, tls) as response, ArtifactWriter(s3, job.artifact) as writer:

        def read(size: int) -> bytes:
            job.check_time()
            with reading(host):
                return response.read(size)

        rewritten = strip_leading_folder(read, writer.write)
        if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", rewritten.comment) and rewritten.comment != commit:
            raise PermanentFailure(f"{host} sent commit {rewritten.comment[:12]} in place of {commit[:12]}")
        return writer.finish(content_digest(rewritten.entries))

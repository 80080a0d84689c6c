"""Asks the provider which files a push changes, before an archive is downloaded that nobody wants.

What is asked is what differs from the commit of the newest artifact, not from the one before the push: pushes between
may have been lost, ignored or replaced by this one. A provider that does not tell for sure costs a download, and the
files themselves are compared.
"""

import json
import ssl
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from lambdas.common import log
from lambdas.common.changes import newest_commit
from lambdas.common.errors import FetchError, NotWanted
from lambdas.common.https import reading, send
from lambdas.common.providers import PROVIDERS
from lambdas.common.providers.archives import ArchiveRequest
from lambdas.common.providers.comparisons import Ask, NotTold
from lambdas.common.worker import Job
from lambdas.zip_download.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PATIENCE = 20.0
"""Seconds for all answers together; a download takes longer, but brings what is asked for."""
TIMEOUT = 10
MAX_ANSWER = 16 * 1024 * 1024
"""Bytes; GitLab and GitHub send the text that changed along."""
CHUNK = 64 * 1024


def ask_first(job: Job, settings: Settings, request: ArchiveRequest, tls: ssl.SSLContext, s3: "S3Client") -> str:
    """Raise NotWanted if it was left to the worker to look, and the provider says that no file that counts differs.

    Returns why it could not say so, in words; empty where it did, or was not asked. `request` is what the archive is
    asked for with.
    """
    if not job.check_paths or not settings.paths:
        return ""
    before = newest_commit(s3, job.artifact.bucket, job.artifact.key)
    if not before or before == job.request.commit:
        return ""
    ask = asker(settings.api_url, request, tls)
    try:
        changed = PROVIDERS[settings.provider_kind].changed_files(
            ask, job.request.repository, before, job.request.commit
        )
    except NotTold as error:
        log.info("changed_files_not_told", delivery=job.request.delivery, reason=str(error))
        host = urlsplit(settings.api_url).hostname or ""
        return f"{host} did not tell which files changed ({error}), so all files were compared"
    if changed and (reason := settings.paths.why_not(sorted(changed))):
        raise NotWanted(reason)
    return ""


def asker(api_url: str, request: ArchiveRequest, tls: ssl.SSLContext) -> Ask:
    """Asks below the API root, signed in as `request` is, within PATIENCE from now."""
    headers = {"Accept": "application/json", **request.headers, **request.credentials}
    stop_at = time.monotonic() + PATIENCE

    def ask(path: str, params: Mapping[str, str]) -> dict[str, Any]:
        url = f"{api_url}{path}" + (f"?{urlencode(params)}" if params else "")
        try:
            connection, response = send("GET", url, headers, tls, timeout=TIMEOUT)
            try:
                if response.status != 200:
                    raise NotTold(f"it answered {response.status}", status=response.status)
                content = bytearray()
                while chunk := _read(response, urlsplit(url).hostname or ""):
                    content += chunk
                    if len(content) > MAX_ANSWER:
                        raise NotTold("its answer is too long")
                    if time.monotonic() > stop_at:
                        raise NotTold("it took too long")
            finally:
                connection.close()
            body = json.loads(content)
        except FetchError as error:
            raise NotTold(str(error)) from error
        except (ValueError, RecursionError):
            raise NotTold("its answer is not JSON") from None
        if not isinstance(body, dict):
            raise NotTold("its answer is not as documented")
        return body

    return ask


def _read(response: Any, host: str) -> bytes:
    with reading(host):
        data: bytes = response.read1(CHUNK)
        return data

"""Makes the artifact of the service's files, and puts it where the job says."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lambdas.common import log
from lambdas.common.s3_file import S3File
from lambdas.stage_codepipeline import buildspec, inspection
from lambdas.stage_codepipeline.job import BadJob, Job
from lambdas.stage_codepipeline.parameters import choose
from lambdas.stage_codepipeline.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

TEMPLATE = Path(__file__).with_name("service.json")
"""Put there by lambdas/package.py."""
SERVICE, PARAMETERS = "service.json", "parameters.json"
IMAGE_TAG = "ECRImageTag"
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Staged:
    """What the pipeline's later actions can refer to."""

    image_tag: str
    commit: str
    buildspec: str
    """For the Build action's BuildspecOverride."""
    values: int


def stage(
    settings: Settings,
    job: Job,
    *,
    template: bytes,
    s3: "S3Client",
    artifacts: Callable[[Job], "S3Client"],
    cloudformation: "CloudFormationClient",
) -> Staged:
    """Write the artifact; the same job writes the same bytes however often it comes.

    Raises BadJob where only a person can help, and botocore's errors.
    """
    head = _head(s3, settings, job.source_version)
    commit = unquote(head["Metadata"].get("commit", ""))
    own = _has_buildspec(s3, settings, job, head["ContentLength"])
    tag = _image_tag(settings, commit, job.source_version)
    existing = _existing(cloudformation, settings.stack_name)
    values = choose(
        json.loads(template), {**settings.parameters, IMAGE_TAG: tag}, existing, stack_name=settings.stack_name
    )
    encryption: dict[str, Any] = {}
    if job.kms_key:
        encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": job.kms_key}
    built_by = buildspec.NAME if own else _write_default(s3, settings, job)
    document = json.dumps({"Parameters": values}, ensure_ascii=False, sort_keys=True).encode()
    artifacts(job).put_object(
        Bucket=job.bucket, Key=job.key, Body=_zip({SERVICE: template, PARAMETERS: document}), **encryption
    )
    log.info("manifest_staged", stack=settings.stack_name, tag=tag, exists=bool(existing), names=sorted(values))
    return Staged(tag, commit, built_by, len(values))


def _has_buildspec(s3: "S3Client", settings: Settings, job: Job, size: int) -> bool:
    """Whether the source says itself how it is built. Raises BadJob, also where it says what cannot be deployed."""
    source = S3File(
        s3, bucket=settings.source_bucket, key=settings.source_key, version_id=job.source_version, size=size
    )
    try:
        with zipfile.ZipFile(source.buffered()) as archive:
            names = archive.namelist()
            if buildspec.NAME not in names:
                return False
            info = archive.getinfo(buildspec.NAME)
            text = archive.read(info).decode(errors="replace") if info.file_size <= inspection.MAX_BYTES else ""
    except (zipfile.BadZipFile, ValueError) as error:
        raise BadJob(f"The source is no zip archive that can be read: {error}.") from error
    if problem := inspection.problem(text, names):
        raise BadJob(problem)
    return True


def _write_default(s3: "S3Client", settings: Settings, job: Job) -> str:
    """Put our buildspec where CodeBuild can read it; its ARN.

    https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeBuild.html
    """
    s3.put_object(Bucket=job.bucket, Key=buildspec.KEY, Body=buildspec.DEFAULT.encode())
    return f"{settings.artifacts_arn}/{buildspec.KEY}"


def _head(s3: "S3Client", settings: Settings, version: str) -> "HeadObjectOutputTypeDef":
    """Size and metadata of the source's version. Raises BadJob if it is not there."""
    where = {"Bucket": settings.source_bucket, "Key": settings.source_key}
    try:
        return s3.head_object(**where, **({"VersionId": version} if version else {}))  # type: ignore[arg-type]
    except s3.exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (400, 403, 404):
            raise
        raise BadJob(
            f"The source s3://{settings.source_bucket}/{settings.source_key} has no version {version or 'at all'} "
            "(any more), or the Manifest function may not read it."
        ) from error


def _image_tag(settings: Settings, commit: str, version: str) -> str:
    """One for each source, as tags of the registry are immutable.

    https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImage.html
    """
    if commit:
        return commit
    return "-".join(filter(None, [settings.default_image_tag, re.sub(r"[^A-Za-z0-9_.-]", "", version)[:40]]))


def _existing(cloudformation: "CloudFormationClient", stack_name: str) -> Mapping[str, str]:
    """The values that the stack has; none if it is not there yet."""
    try:
        [stack] = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    except cloudformation.exceptions.ClientError as error:
        problem = error.response["Error"]
        if problem.get("Code") == "ValidationError" and "does not exist" in problem.get("Message", ""):
            return {}
        raise
    return {each["ParameterKey"]: each.get("ParameterValue", "") for each in stack.get("Parameters", [])}


def _zip(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()

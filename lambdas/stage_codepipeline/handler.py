"""The Manifest action of an `ecs_main` pipeline (Invoke, Lambda).

Its contract, which cfn_templates/nested/codepipeline.yaml is the other side of:

- UserParameters: `{"version": "#{Source.VersionId}"}`, the S3 version that the pipeline runs for
- environment: `SOURCE_BUCKET`, `SOURCE_KEY`, `STACK_NAME` (the service's stack), `DEFAULT_IMAGE_TAG`, and `PARAMETERS`,
  a JSON mapping of texts with the service template's parameters, except for `ECRImageTag`
- one output artifact with `service.json`, the template (packaged with this function), and `parameters.json`, a template
  configuration `{"Parameters": {...}}`. Its `ECRImageTag` is the commit; an override from the build goes before it
- output variables: `ImageTag`, `Commit` where the source has one in its metadata, and `Buildspec`: the source's own,
  or the ARN of a default that builds its Dockerfile, written beside the artifacts (environment: `ARTIFACTS_ARN`)
- with UserParameters `{"clear": true}` the job makes nothing: it removes the stack of a first deployment that failed
  (clear.py), and is asked again by its continuation token until that is done
- the artifact is written with the job's own credentials and key. The role needs codepipeline:PutJobSuccessResult and
  PutJobFailureResult on *, s3:PutObject on the default buildspec, s3:GetObject and s3:GetObjectVersion on the source,
  and cloudformation:DescribeStacks and DeleteStack on the service's stack

A NoEcho parameter cannot be kept by a pipeline: parameters.py says why, and what happens instead.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lambdas.common import clients, log
from lambdas.common.worker import Context
from lambdas.stage_codepipeline import clear
from lambdas.stage_codepipeline.job import BadJob, Job
from lambdas.stage_codepipeline.settings import Settings
from lambdas.stage_codepipeline.stage import TEMPLATE, Staged, stage

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.literals import FailureTypeType
    from mypy_boto3_s3 import S3Client

RESERVE = 10
"""Seconds before the function is ended in which that is told: without a word the pipeline would wait for hours."""
_MAX_MESSAGE = 4000


def handler(event: dict[str, Any], context: Context) -> None:
    """Do a job and tell CodePipeline how it went, whatever happens. May be called twice for a job."""
    job = event["CodePipeline.job"]
    with _told_in_time(job["id"], context):
        try:
            if clear.wanted(job):
                _clear(job)
                return
            staged = stage(
                Settings.from_environment(),
                Job.from_event(job),
                template=TEMPLATE.read_bytes(),
                s3=clients.s3_in_a_hurry(),
                artifacts=_artifacts,
                cloudformation=clients.cloudformation(),
            )
            _succeed(job["id"], staged)
        except Exception as error:  # noqa: BLE001 - whatever it is, the pipeline must not wait
            log.exception("manifest_failed", error)
            _fail(job["id"], *_in_words(error))


def _clear(job: dict[str, Any]) -> None:
    token = str(job["data"].get("continuationToken") or "")
    cleared = clear.clear(Settings.from_environment().stack_name, token, cloudformation=clients.cloudformation())
    client = clients.codepipeline()
    try:
        client.put_job_success_result(
            jobId=job["id"],
            executionDetails={"summary": cleared.summary},
            **({"continuationToken": cleared.token} if cleared.token else {}),  # type: ignore[arg-type]
        )
    except (client.exceptions.JobNotFoundException, client.exceptions.InvalidJobStateException) as error:
        log.info("job_over", job=job["id"], answer=type(error).__name__)


def _artifacts(job: Job) -> "S3Client":
    return clients.s3_as(**job.credentials)


def _succeed(job_id: str, staged: Staged) -> None:
    variables = {"ImageTag": staged.image_tag, "Commit": staged.commit, "Buildspec": staged.buildspec}
    client = clients.codepipeline()
    try:
        client.put_job_success_result(
            jobId=job_id,
            executionDetails={"summary": f"Image tag {staged.image_tag}, {staged.values} parameters"},
            outputVariables={name: value for name, value in variables.items() if value},
        )
    except (client.exceptions.JobNotFoundException, client.exceptions.InvalidJobStateException) as error:
        log.info("job_over", job=job_id, answer=type(error).__name__)


def _fail(job_id: str, kind: "FailureTypeType", message: str) -> None:
    client = clients.codepipeline()
    try:
        client.put_job_failure_result(jobId=job_id, failureDetails={"type": kind, "message": message[:_MAX_MESSAGE]})
    except (client.exceptions.JobNotFoundException, client.exceptions.InvalidJobStateException) as error:
        log.info("job_over", job=job_id, answer=type(error).__name__)


def _in_words(error: Exception) -> "tuple[FailureTypeType, str]":
    if isinstance(error, BadJob):
        return "ConfigurationError", str(error)
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        code, operation = response["Error"].get("Code", "an error"), getattr(error, "operation_name", "a request")
        words = f"AWS answered {code} to {operation}: {response['Error'].get('Message', '')}"
        return ("PermissionError" if "AccessDenied" in str(code) or code == "403" else "JobFailed"), words
    return "JobFailed", f"Unexpected {type(error).__name__}; the log of the Manifest function has the details."


@contextmanager
def _told_in_time(job_id: str, context: Context) -> Iterator[None]:
    """Tell a failure if the function is about to be ended. What is told later is refused by CodePipeline."""
    seconds = max(context.get_remaining_time_in_millis() / 1000 - RESERVE, 0)
    timer = threading.Timer(seconds, _fail, (job_id, "JobFailed", "The Manifest function ran out of time. Retry it."))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()

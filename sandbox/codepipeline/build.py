"""A simulated build: nothing is compiled, but what would break a build at once does, and the image's tag exists.

The build runs under its project's role, and its log says that it is simulated.
"""

# MiniStack offers no hooks: its own stores and handlers are used where they stand.
# ruff: noqa: SLF001

import fnmatch
import io
import json
import time
import zipfile
from pathlib import PurePosixPath
from typing import Any

import yaml
from botocore.exceptions import ClientError
from ministack.core.responses import get_account_id, get_region
from ministack.services import codebuild, eventbridge

from lambdas.stage_codepipeline import inspection
from sandbox import aws_roles
from sandbox.codepipeline.errors import ActionFailed


def run(key: str, variables: dict[str, str], source: bytes) -> bytes:
    """Carry out a build that was started; the zip of what it produced. Raises ActionFailed."""
    record = codebuild._builds[key]
    project = codebuild._projects[record["projectName"]]
    group = (project.get("logsConfig") or {}).get("cloudWatchLogs", {}).get("groupName")
    if group:
        record["logs"]["groupName"] = group
    log = codebuild._log_sink(record)
    record.update(buildStatus="IN_PROGRESS", buildComplete=False)
    _tell(record, "IN_PROGRESS")
    log("[Container] Simulated build: this local AWS checks the source and registers an image, and compiles nothing.")
    declared = (project.get("environment") or {}).get("environmentVariables") or []
    environment = {each["name"]: each["value"] for each in declared} | variables
    status = "FAILED"
    try:
        tag = environment.get("IMAGE_TAG", "")
        dockerfile = _check(source, tag)
        ecr = aws_roles.client("ecr", project["serviceRole"], "codebuild")
        _push(ecr, environment.get("REPOSITORY_NAME", ""), tag, log, labels=_labels(dockerfile))
        status = "SUCCEEDED"
        log(f"[Container] Phase complete: BUILD State: SUCCEEDED, image tag {tag}")
    except (ActionFailed, ClientError) as error:
        log(f"[Container] Phase complete: BUILD State: FAILED: {error}")
        if isinstance(error, ActionFailed):
            raise
        raise ActionFailed("JobFailed", f"Build terminated with state: FAILED. {error}") from error
    finally:
        record.update(buildStatus=status, currentPhase="COMPLETED", buildComplete=True, endTime=int(time.time()))
        _tell(record, status)
    return _zip({"build.json": json.dumps({"tag": tag}).encode()})


def _check(source: bytes, tag: str) -> str:
    """Refuse what would fail at once; the Dockerfile's text. Raises ActionFailed."""
    try:
        with zipfile.ZipFile(io.BytesIO(source)) as archive:
            names = archive.namelist()
            files = {name: archive.read(name) for name in ("Dockerfile", "buildspec.yml") if name in names}
    except zipfile.BadZipFile:
        raise _failed("the source is not a zip file") from None
    if not tag:
        raise _failed("there is no IMAGE_TAG")
    if "buildspec.yml" in files:
        try:
            found = yaml.safe_load(files["buildspec.yml"])
        except yaml.YAMLError as error:
            raise _failed(f"YAML_FILE_ERROR: {error}") from error
        if not isinstance(found, dict) or "version" not in found or not isinstance(found.get("phases"), dict):
            raise _failed("YAML_FILE_ERROR: buildspec.yml needs a version and phases")
        _check_result(found, names)
        if problem := inspection.problem(files["buildspec.yml"].decode(errors="replace"), names):
            raise _failed(problem)
    elif "Dockerfile" not in files:
        raise _failed("failed to read dockerfile: open Dockerfile: no such file or directory")
    if "Dockerfile" in files:
        lines = [line.strip() for line in files["Dockerfile"].decode(errors="replace").splitlines()]
        words = [line.split()[0].upper() for line in lines if line and not line.startswith("#")]
        if next((word for word in words if word != "ARG"), "") != "FROM":
            raise _failed("dockerfile parse error: no build stage in current context")
    return files.get("Dockerfile", b"").decode(errors="replace")


def _labels(dockerfile: str) -> list[str]:
    """What the image says of itself: `LABEL a=b` is `a=b`."""
    lines = [line.split(maxsplit=1) for line in dockerfile.splitlines()]
    return [line[1].strip() for line in lines if len(line) == 2 and line[0].upper() == "LABEL"]


def _check_result(buildspec: dict[str, Any], names: list[str]) -> None:
    """Refuse artifacts that cannot hold build.json, whatever the commands do. Raises ActionFailed.

    https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html#build-spec.artifacts
    """
    artifacts = buildspec.get("artifacts")
    listed = artifacts.get("files") if isinstance(artifacts, dict) else None
    patterns = [listed] if isinstance(listed, str) else [str(each) for each in listed or []]
    produced = [*names, "build.json"]
    if not any(fnmatch.filter(produced, pattern) for pattern in patterns):
        raise _failed("UPLOAD_ARTIFACTS: CLIENT_ERROR: no matching artifact paths found")
    if isinstance(artifacts, dict) and not any(
        PurePosixPath(each).match("build.json") or "*" in each for each in patterns
    ):
        raise _failed("the artifact has no build.json, which Fn::GetParam of the Deploy action reads")


def _failed(reason: str) -> ActionFailed:
    return ActionFailed("JobFailed", f"Build terminated with state: FAILED. Phase: BUILD, Message: {reason}")


def _push(ecr: Any, repository: str, tag: str, log: Any, *, labels: list[str]) -> None:
    if not repository:
        raise _failed("there is no REPOSITORY_NAME")
    try:
        found = ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])["imageDetails"]
    except ecr.exceptions.ImageNotFoundException:
        found = []
    if found:
        log(f"The image {tag} is there already.")
        return
    manifest = json.dumps({"schemaVersion": 2, "simulated": tag, "labels": labels, "layers": []})
    ecr.put_image(repositoryName=repository, imageManifest=manifest, imageTag=tag)
    log(f"[Container] Pushed a simulated image {repository}:{tag}")


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def _tell(record: dict[str, Any], status: str) -> None:
    """https://docs.aws.amazon.com/codebuild/latest/userguide/sample-build-notifications.html"""
    arn = f"arn:aws:codebuild:{get_region()}:{get_account_id()}:build/{record['id']}"
    detail = {"build-status": status, "project-name": record["projectName"], "build-id": arn}
    entry = {
        "Source": "aws.codebuild",
        "DetailType": "CodeBuild Build State Change",
        "Detail": json.dumps(detail),
        "Resources": [arn],
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)

"""What the actions of a pipeline do, each under the pipeline's or its own role.

https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference.html
"""

import io
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid

from sandbox import aws_persistence, aws_roles
from sandbox.codepipeline import build, cloudformation, store
from sandbox.codepipeline.errors import ActionFailed, Interrupted

# Seconds that a function has to answer; AWS waits longer than a person would.
_JOB_SECONDS = 300.0
# Between a continuation token and the next job; AWS takes half a minute.
_CONTINUED_SECONDS = 0.5
_APPROVAL_SECONDS = 7 * 24 * 3600.0


@dataclass
class Run:
    """One action of one execution."""

    execution: dict[str, Any]
    stage: str
    action: dict[str, Any]
    configuration: dict[str, str]
    record: dict[str, Any]

    def client(self, service: str) -> Any:
        """A client under the action's role, or the pipeline's."""
        role = self.action.get("roleArn") or self.execution["definition"]["roleArn"]
        return aws_roles.client(service, role, "codepipeline")

    def need(self, name: str) -> str:
        """A value of the configuration. Raises ActionFailed."""
        if not self.configuration.get(name):
            raise ActionFailed("ConfigurationError", f"The action's configuration needs {name}.")
        return self.configuration[name]

    def read(self, artifact: str) -> bytes:
        """An artifact of an action before this one. Raises ActionFailed."""
        place = self.execution["artifacts"].get(artifact)
        if place is None:
            raise ActionFailed("ConfigurationError", f"There is no artifact {artifact}.")
        found: bytes = self.client("s3").get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read()
        return found

    def read_file(self, artifact: str, name: str) -> bytes:
        """A file of an artifact. Raises ActionFailed."""
        try:
            with zipfile.ZipFile(io.BytesIO(self.read(artifact))) as archive:
                return archive.read(name)
        except KeyError:
            message = f"File [{name}] does not exist in artifact [{artifact}]"
            raise ActionFailed("ConfigurationError", message) from None
        except zipfile.BadZipFile:
            raise ActionFailed("ConfigurationError", f"The artifact {artifact} is not a zip file.") from None

    def output(self) -> dict[str, str]:
        """Where this action's artifact belongs."""
        name = self.action["outputArtifacts"][0]["name"]
        bucket = self.execution["definition"]["artifactStore"]["location"]
        pipeline, short = self.execution["pipelineName"][:20], name[:10]
        return {"bucket": bucket, "key": f"{pipeline}/{short}/{new_uuid()[:7]}"}

    def keep(self, place: dict[str, str]) -> None:
        """Take what was written there for this action's artifact."""
        name = self.action["outputArtifacts"][0]["name"]
        self.execution["artifacts"][name] = place
        self.record["output"]["outputArtifacts"] = [{"name": name, "s3location": place}]

    def wait(self, done: Callable[[], Any], seconds: float) -> Any:
        """Wait until something is true. Raises ActionFailed after a time, and Interrupted."""
        deadline = time.monotonic() + seconds
        with store.changed:
            while not (found := done()):
                if self.execution.get("stop") == "abandon":
                    raise Interrupted
                left = deadline - time.monotonic()
                if left <= 0:
                    raise ActionFailed("JobTimedOut", "The action did not complete in time.")
                store.changed.wait(left)
        return found

    def pause(self, seconds: float) -> None:
        """Let time pass. Raises Interrupted."""
        deadline = time.monotonic() + seconds
        with store.changed:
            while (left := deadline - time.monotonic()) > 0:
                self.check_interrupted()
                store.changed.wait(left)

    def check_interrupted(self) -> None:
        """Raises Interrupted."""
        if self.execution.get("stop") == "abandon":
            raise Interrupted


def kind(action: dict[str, Any]) -> Callable[[Run], None]:
    """What carries out an action. Raises ActionFailed."""
    named = action["actionTypeId"]
    found = _KINDS.get((named["category"], named["provider"]))
    if found is None:
        message = f"The local CodePipeline has no {named['category']} action by {named['provider']}."
        raise ActionFailed("ConfigurationError", message)
    return found


def _source(run: Run) -> None:
    overrides = {
        each["revisionType"]: each["revisionValue"]
        for each in run.execution["sourceRevisions"]
        if each["actionName"] == run.action["name"]
    }
    bucket, key = run.need("S3Bucket"), overrides.get("S3_OBJECT_KEY") or run.need("S3ObjectKey")
    wanted = overrides.get("S3_OBJECT_VERSION_ID")
    s3 = run.client("s3")
    answer = s3.get_object(Bucket=bucket, Key=key, **({"VersionId": wanted} if wanted else {}))
    place, version = run.output(), answer.get("VersionId", "")
    s3.put_object(**_object(place), Body=answer["Body"].read())
    run.keep(place)
    summary = answer["Metadata"].get("codepipeline-artifact-revision-summary")
    run.record["output"]["outputVariables"] = {
        "BucketName": bucket,
        "ObjectKey": key,
        "ETag": answer["ETag"].strip('"'),
        "VersionId": version,
    }
    run.record["output"]["executionResult"] = {"externalExecutionId": version}
    summary = summary or f"Amazon S3 version id: {version}"
    taken = {"actionName": run.action["name"], "revisionId": version, "revisionSummary": summary}
    run.execution["taken"].append(taken)
    run.execution["artifactRevisions"].append(
        {
            "name": run.action["outputArtifacts"][0]["name"],
            "revisionId": version,
            "revisionSummary": summary,
            "created": answer["LastModified"].timestamp(),
        }
    )


def _object(place: dict[str, str]) -> dict[str, str]:
    return {"Bucket": place["bucket"], "Key": place["key"]}


def _invoke(run: Run) -> None:
    """https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-invoke-lambda-function.html"""
    outputs = {each["name"]: run.output() for each in run.action.get("outputArtifacts", [])}
    found = _job(run, outputs, "")
    while token := found.get("continuationToken"):
        run.pause(_CONTINUED_SECONDS)
        found = _job(run, outputs, token)
    result = run.record["output"]["executionResult"]
    result |= {"externalExecutionId": found["id"], "externalExecutionSummary": found.get("summary", "")}
    if found["status"] == "Failed":
        raise ActionFailed(found["failure"]["type"], found["failure"]["message"])
    run.record["output"]["outputVariables"] = found.get("outputVariables", {})
    for place in outputs.values():
        run.keep(place)


def _job(run: Run, outputs: dict[str, dict[str, str]], token: str) -> dict[str, Any]:
    """Ask the function, and wait for its answer. With a continuation token it is asked again later, as a new job."""
    key = new_uuid()
    keys = aws_roles.credentials(run.execution["definition"]["roleArn"], "codepipeline-job")
    job = {
        "id": key,
        "accountId": get_account_id(),
        "data": {
            "actionConfiguration": {"configuration": run.configuration},
            "inputArtifacts": [
                _location(each["name"], run.execution["artifacts"][each["name"]])
                for each in run.action.get("inputArtifacts", [])
            ],
            "outputArtifacts": [_location(name, place) for name, place in outputs.items()],
            "artifactCredentials": {
                "accessKeyId": keys["aws_access_key_id"],
                "secretAccessKey": keys["aws_secret_access_key"],
                "sessionToken": keys["aws_session_token"],
            },
            **({"continuationToken": token} if token else {}),
        },
    }
    details = {name: each for name, each in job["data"].items() if name != "artifactCredentials"}
    store.jobs[key] = {"id": key, "accountId": job["accountId"], "data": details, "status": "InProgress"}
    aws_persistence.note_change()
    event = json.dumps({"CodePipeline.job": job})
    run.client("lambda").invoke(FunctionName=run.need("FunctionName"), InvocationType="Event", Payload=event)
    found: dict[str, Any] = store.jobs[key]
    run.wait(lambda: found["status"] != "InProgress", _JOB_SECONDS)
    return found


def _location(name: str, place: dict[str, str]) -> dict[str, Any]:
    s3 = {"bucketName": place["bucket"], "objectKey": place["key"]}
    return {"name": name, "revision": None, "location": {"type": "S3", "s3Location": s3}}


def _build(run: Run) -> None:
    variables = json.loads(run.configuration.get("EnvironmentVariables") or "[]")
    sources = run.action.get("inputArtifacts") or [{"name": ""}]
    started = run.client("codebuild").start_build(
        projectName=run.need("ProjectName"), environmentVariablesOverride=variables
    )["build"]["id"]
    run.record["output"]["executionResult"] = {"externalExecutionId": started}
    produced = build.run(started, {each["name"]: each["value"] for each in variables}, run.read(sources[0]["name"]))
    run.check_interrupted()
    if run.action.get("outputArtifacts"):
        place = run.output()
        run.client("s3").put_object(**_object(place), Body=produced)
        run.keep(place)
    run.record["output"]["outputVariables"] = {"BuildID": started}


def _approve(run: Run) -> None:
    """https://docs.aws.amazon.com/codepipeline/latest/userguide/approvals-json-format.html"""
    token = new_uuid()
    run.record["token"] = token
    if topic := run.configuration.get("NotificationArn"):
        approval = {
            "pipelineName": run.execution["pipelineName"],
            "stageName": run.stage,
            "actionName": run.action["name"],
            "token": token,
            "customData": run.configuration.get("CustomData", ""),
        }
        subject = f"APPROVAL NEEDED: AWS CodePipeline {run.execution['pipelineName']} for action {run.action['name']}"
        message = json.dumps({"region": get_region(), "approval": approval})
        run.client("sns").publish(TopicArn=topic, Subject=subject[:100], Message=message)
    answer = run.wait(lambda: run.record.get("answer"), _APPROVAL_SECONDS)
    run.record.pop("answer")
    run.record["output"]["executionResult"] = {"externalExecutionSummary": answer["summary"]}
    if answer["status"] == "Rejected":
        raise ActionFailed("JobFailed", f"The approval was rejected: {answer['summary']}")


def _deploy(run: Run) -> None:
    deploying = cloudformation.Deploying(run.client("cloudformation"), run.need("StackName"))
    configuration = run.configuration
    if run.need("ActionMode") != "CREATE_UPDATE":
        raise ActionFailed("ConfigurationError", "The local CodePipeline knows the action mode CREATE_UPDATE only.")
    template = run.read_file(*_path(run.need("TemplatePath"))).decode()
    settings: dict[str, Any] = {}
    if configuration.get("TemplateConfiguration"):
        settings = json.loads(run.read_file(*_path(configuration["TemplateConfiguration"])))
    overrides = cloudformation.resolved(
        json.loads(configuration.get("ParameterOverrides") or "{}"), run.read_file, run.execution["artifacts"]
    )
    stack = deploying.begin(
        template,
        parameters={**settings.get("Parameters", {}), **overrides},
        tags=settings.get("Tags", {}),
        capabilities=[each.strip() for each in configuration.get("Capabilities", "").split(",") if each.strip()],
        role=configuration.get("RoleArn", ""),
    )
    run.record["output"]["executionResult"] = {"externalExecutionId": stack}
    run.record["output"]["outputVariables"] = deploying.end(run.check_interrupted)


def _path(value: str) -> tuple[str, str]:
    artifact, _, name = value.partition("::")
    if not name:
        raise ActionFailed("ConfigurationError", f"{value} has to be artifact::file.")
    return artifact, name


_KINDS: dict[tuple[str, str], Callable[[Run], None]] = {
    ("Source", "S3"): _source,
    ("Invoke", "Lambda"): _invoke,
    ("Build", "CodeBuild"): _build,
    ("Approval", "Manual"): _approve,
    ("Deploy", "CloudFormation"): _deploy,
}

"""The Manifest action as CodePipeline invokes it; its results are told over HTTP."""

import http.server
import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
import yaml

from lambdas.stage_codepipeline import handler as module
from lambdas.stage_codepipeline.handler import handler
from tests.lambdas.conftest import BUCKET
from tests.lambdas.queue_events import Context

KEY = "acme/site/main/site.zip"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
STORE, OUTPUT = "artifacts-of-the-pipeline", "site/Manifest/AbC123"
SECRET = "a secret access key of the job"
TEMPLATE: dict[str, Any] = {
    "Parameters": {
        "Application": {"Type": "String"},
        "ECRImageTag": {"Type": "String", "Default": "latest"},
        "Tasks": {"Type": "Number", "Default": 1},
    },
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
}


@dataclass
class CodePipeline:
    """What was told, and a way to refuse it."""

    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    errors: list[tuple[int, str]] = field(default_factory=list)
    """Answers to the next requests."""

    @property
    def result(self) -> tuple[str, dict[str, Any]]:
        [only] = self.told
        return only


@pytest.fixture
def codepipeline(monkeypatch: pytest.MonkeyPatch) -> Iterator[CodePipeline]:
    made = CodePipeline()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, code = made.errors.pop(0) if made.errors else (200, "")
            if not code:
                made.told.append((self.headers["X-Amz-Target"].rpartition(".")[2], body))
            answer = json.dumps({"__type": code, "message": code} if code else {}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_CODEPIPELINE", f"http://127.0.0.1:{server.server_port}")
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def environment(stack: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    boto3.client("s3").create_bucket(Bucket=STORE, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    variables = {
        "SOURCE_BUCKET": BUCKET,
        "SOURCE_KEY": KEY,
        "STACK_NAME": "site-service",
        "ARTIFACTS_ARN": f"arn:aws:s3:::{STORE}",
        "DEFAULT_IMAGE_TAG": "latest",
        "PARAMETERS": json.dumps({"Application": "site"}),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    use_template(TEMPLATE, monkeypatch, tmp_path)


def use_template(template: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    path = tmp_path / "service.json"
    path.write_text(json.dumps(template))
    monkeypatch.setattr(module, "TEMPLATE", path)


def store_source(*names: str, buildspec: str = "", **metadata: str) -> str:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name in names or ("Dockerfile",):
            archive.writestr(name, buildspec if name == "buildspec.yml" else "")
    answer = boto3.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=body.getvalue(), Metadata=metadata)
    return str(answer["VersionId"])


def make_stack(template: dict[str, Any], **values: str) -> None:
    boto3.client("cloudformation").create_stack(
        StackName="site-service",
        TemplateBody=json.dumps({"AWSTemplateFormatVersion": "2010-09-09", **template}),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()],
    )


def job(version: str, **data: Any) -> dict[str, Any]:
    """An event as the documentation shows it."""
    location = {"type": "S3", "s3Location": {"bucketName": STORE, "objectKey": OUTPUT}}
    return {
        "CodePipeline.job": {
            "id": "11111111-abcd-1111-abcd-111111abcdef",
            "accountId": "123456789012",
            "data": {
                "actionConfiguration": {
                    "configuration": {"FunctionName": "f", "UserParameters": json.dumps({"version": version})}
                },
                "inputArtifacts": [],
                "outputArtifacts": [{"name": "Manifest", "revision": None, "location": location}],
                "artifactCredentials": {"accessKeyId": "AKIAJOB", "secretAccessKey": SECRET, "sessionToken": "token"},
                **data,
            },
        }
    }


def staged() -> dict[str, Any]:
    body = boto3.client("s3").get_object(Bucket=STORE, Key=OUTPUT)["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


def test_the_artifact_holds_the_template_and_the_values_for_it(codepipeline: CodePipeline) -> None:
    version = store_source(commit=COMMIT)
    store_source(commit="f" * 40)

    handler(job(version), Context())

    values = {"Application": "site", "ECRImageTag": COMMIT}
    assert staged() == {"service.json": TEMPLATE, "parameters.json": {"Parameters": values}}
    action, told = codepipeline.result
    assert (action, told["jobId"]) == ("PutJobSuccessResult", "11111111-abcd-1111-abcd-111111abcdef")
    default = f"arn:aws:s3:::{STORE}/buildspec/default.yml"
    assert told["outputVariables"] == {"ImageTag": COMMIT, "Commit": COMMIT, "Buildspec": default}
    written = boto3.client("s3").get_object(Bucket=STORE, Key="buildspec/default.yml")["Body"].read()
    assert yaml.safe_load(written)["artifacts"] == {"files": ["build.json"]}


def test_the_job_s_credentials_and_key_are_used_for_the_artifact(codepipeline: CodePipeline) -> None:
    key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    used: list[str] = []
    boto3.DEFAULT_SESSION.events.register(  # type: ignore[union-attr]
        "before-send.s3.PutObject", lambda request, **_: used.append(request.headers["Authorization"].decode())
    )

    handler(job(store_source(commit=COMMIT), encryptionKey={"id": key, "type": "KMS"}), Context())

    head = boto3.client("s3").head_object(Bucket=STORE, Key=OUTPUT)
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key)
    assert "Credential=AKIAJOB/" in used[-1]


def test_values_that_a_stack_has_are_kept_and_those_given_go_before(codepipeline: CodePipeline) -> None:
    make_stack(TEMPLATE, Application="old", Tasks="7", ECRImageTag="older")

    handler(job(store_source(commit=COMMIT)), Context())

    assert staged()["parameters.json"]["Parameters"] == {"Application": "site", "ECRImageTag": COMMIT, "Tasks": "7"}


def test_a_hidden_value_is_not_reset_in_silence(
    codepipeline: CodePipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    secret = {"Type": "String", "NoEcho": True, "Default": ""}
    template = {**TEMPLATE, "Parameters": {**TEMPLATE["Parameters"], "Password": secret}}
    use_template(template, monkeypatch, tmp_path)
    make_stack(template, Application="site", Password="hunter2")

    handler(job(store_source(commit=COMMIT)), Context())

    action, told = codepipeline.result
    assert (action, told["failureDetails"]["type"]) == ("PutJobFailureResult", "ConfigurationError")
    assert "Password" in told["failureDetails"]["message"]
    assert "{{resolve:secretsmanager:name}}" in told["failureDetails"]["message"]
    assert "Contents" not in boto3.client("s3").list_objects_v2(Bucket=STORE)


def test_a_source_without_a_commit_gets_a_tag_of_its_own(codepipeline: CodePipeline) -> None:
    version = store_source()

    handler(job(version), Context())

    tag = codepipeline.result[1]["outputVariables"]["ImageTag"]
    assert tag == f"latest-{version}"
    assert "Commit" not in codepipeline.result[1]["outputVariables"]


def test_the_same_job_twice_writes_the_same_bytes_and_ends_well(codepipeline: CodePipeline) -> None:
    event = job(store_source(commit=COMMIT))
    handler(event, Context())
    first = boto3.client("s3").head_object(Bucket=STORE, Key=OUTPUT)["ETag"]
    codepipeline.errors = [(400, "InvalidJobStateException")]

    handler(event, Context())

    assert boto3.client("s3").head_object(Bucket=STORE, Key=OUTPUT)["ETag"] == first
    assert len(codepipeline.told) == 1


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"outputArtifacts": []}, "ConfigurationError", "has 0 output artifacts"),
        ({"artifactCredentials": None}, "ConfigurationError", "cannot be read"),
        (
            {"actionConfiguration": {"configuration": {"UserParameters": "[1"}}},
            "ConfigurationError",
            "UserParameters have to be JSON",
        ),
        ({"actionConfiguration": {"configuration": {"UserParameters": '{"version": "gone"}'}}}, "", "gone"),
        (
            {
                "outputArtifacts": [
                    {"location": {"type": "S3", "s3Location": {"bucketName": "no-such-bucket", "objectKey": "a"}}}
                ]
            },
            "JobFailed",
            "NoSuchBucket to PutObject",
        ),
    ],
)
def test_whatever_goes_wrong_is_told(codepipeline: CodePipeline, changes: dict[str, Any], kind: str, said: str) -> None:
    handler(job(store_source(commit=COMMIT), **changes), Context())

    action, told = codepipeline.result
    assert action == "PutJobFailureResult"
    assert told["failureDetails"]["type"] == (kind or "ConfigurationError")
    assert said in told["failureDetails"]["message"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PARAMETERS", "{}", "no value for Application"),
        ("PARAMETERS", '{"Application": "site", "Colour": "blue"}', "no parameter Colour"),
        ("PARAMETERS", "[]", "Unexpected ValueError"),
        ("STACK_NAME", "", "Unexpected RuntimeError"),
    ],
)
def test_a_wrong_environment_is_told(
    codepipeline: CodePipeline, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)

    handler(job(store_source(commit=COMMIT)), Context())

    assert said in codepipeline.result[1]["failureDetails"]["message"]


def test_an_answer_that_codepipeline_does_not_take_becomes_a_failure(codepipeline: CodePipeline) -> None:
    codepipeline.errors = [(400, "ValidationException")]

    handler(job(store_source(commit=COMMIT)), Context())

    assert codepipeline.result[0] == "PutJobFailureResult"


def test_a_function_that_runs_out_of_time_says_so_first(
    codepipeline: CodePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3.DEFAULT_SESSION.events.register("before-send.s3.HeadObject", lambda **_: time.sleep(0.3))  # type: ignore[union-attr]

    handler(job(store_source(commit=COMMIT)), Context(seconds=module.RESERVE + 0.05))

    assert codepipeline.told[0][0] == "PutJobFailureResult"
    assert "ran out of time" in codepipeline.told[0][1]["failureDetails"]["message"]


def test_nothing_of_the_job_s_credentials_is_logged(
    codepipeline: CodePipeline, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    version = store_source(commit=COMMIT)
    handler(job(version), Context())
    handler(job("gone"), Context())
    handler(job(version, outputArtifacts=[{}]), Context())

    written = caplog.text + "".join(capfd.readouterr()) + str(codepipeline.told)
    assert "manifest_failed" in written
    assert SECRET not in written
    assert "AKIAJOB" not in written


def test_a_source_with_a_buildspec_is_built_by_it(codepipeline: CodePipeline) -> None:
    version = store_source("Dockerfile", "buildspec.yml", commit=COMMIT)
    handler(job(version), Context())
    assert codepipeline.result[1]["outputVariables"]["Buildspec"] == "buildspec.yml"


def test_a_buildspec_that_cannot_be_deployed_fails_before_it_is_built(codepipeline: CodePipeline) -> None:
    commands = "version: 0.2\nphases:\n  build:\n    commands:\n      - docker push shop:latest\n"
    version = store_source("buildspec.yml", buildspec=f"{commands}artifacts:\n  files: [build.json]\n", commit=COMMIT)

    handler(job(version), Context())

    action, told = codepipeline.result
    assert (action, told["failureDetails"]["type"]) == ("PutJobFailureResult", "ConfigurationError")
    assert "No command of buildspec.yml writes build.json" in told["failureDetails"]["message"]
    assert "Contents" not in boto3.client("s3").list_objects_v2(Bucket=STORE)


def test_a_source_that_is_no_archive_fails_the_job_with_the_reason(codepipeline: CodePipeline) -> None:
    version = str(boto3.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=b"zip")["VersionId"])
    handler(job(version), Context())
    assert "no zip archive" in json.dumps(codepipeline.result)


def test_the_clear_action_is_answered_and_makes_no_artifact(codepipeline: CodePipeline) -> None:
    configuration = {"configuration": {"FunctionName": "f", "UserParameters": '{"clear":true}'}}

    handler(job("", actionConfiguration=configuration, outputArtifacts=[]), Context())

    operation, told = codepipeline.result
    assert operation == "PutJobSuccessResult"
    assert told["executionDetails"]["summary"] == "There is no stack yet"
    assert "continuationToken" not in told

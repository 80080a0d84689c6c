"""Functions that Lambda refuses, or whose packages its runtime cannot load."""

import io
import json
import zipfile

import pytest
from botocore.exceptions import ClientError

from sandbox.aws import Aws
from sandbox.lambda_limits import ENVIRONMENT_BYTES, needs_glibc, too_large
from tests.sandbox.conftest import made

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
ROLE = "arn:aws:iam::111122223333:role/functions"


def package(*glibc: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("main.py", "def handler(event, context):\n    return 'ran'\n")
        for version in glibc:
            archive.writestr(f"lib/_rust_{version}.so", b"\x7fELF\0GLIBC_2.17\0GLIBC_" + version.encode() + b"\0")
    return written.getvalue()


def test_the_environment_is_measured_as_json() -> None:
    room = ENVIRONMENT_BYTES - len(json.dumps({"NAME": ""}, separators=(",", ":")))
    assert too_large({"NAME": "x" * room}) == ""
    assert "exceeded the 4KB limit" in too_large({"NAME": "x" * (room + 1)})
    assert too_large({"NAME": "\N{SNOWMAN}" * (room // 3 + 1)})


def test_the_newest_glibc_of_a_package_is_found() -> None:
    assert needs_glibc(package()) == (0, "")
    assert needs_glibc(package("2.28", "2.34")) == (34, "lib/_rust_2.34.so")
    assert needs_glibc(b"no zip") == (0, "")


@pytest.mark.sandbox
def test_an_environment_that_is_too_large_is_refused(local_aws: Aws) -> None:
    local_aws.client("iam").create_role(RoleName="functions", AssumeRolePolicyDocument=json.dumps(TRUST))
    functions = local_aws.client("lambda")
    common = {"Runtime": "python3.13", "Role": ROLE, "Handler": "main.handler", "Code": {"ZipFile": package()}}
    large = {"Variables": {f"NAME_{n}": "x" * 500 for n in range(9)}}
    with pytest.raises(ClientError, match=r"InvalidParameterValueException.*exceeded the 4KB limit"):
        functions.create_function(FunctionName="large", **common, Environment=large)
    functions.create_function(FunctionName="small", **common)
    with pytest.raises(ClientError, match=r"InvalidParameterValueException.*exceeded the 4KB limit"):
        functions.update_function_configuration(FunctionName="small", Environment=large)

    properties = {
        "Runtime": "python3.13",
        "Role": ROLE,
        "Handler": "index.handler",
        "Code": {"ZipFile": "def handler(event, context): pass"},
        "Environment": large,
    }
    status, why = made(
        local_aws, "large", {"Resources": {"Large": {"Type": "AWS::Lambda::Function", "Properties": properties}}}
    )
    assert (status, "exceeded the 4KB limit" in why) == ("ROLLBACK_COMPLETE", True)


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("runtime", "glibc", "loads"),
    [("python3.11", "2.26", True), ("python3.11", "2.28", False), ("python3.13", "2.34", True),
     ("python3.13", "2.38", False)],
)  # fmt: skip
def test_a_package_of_a_newer_glibc_does_not_load(local_aws: Aws, runtime: str, glibc: str, loads: bool) -> None:
    functions = local_aws.client("lambda")
    name = f"glibc-{runtime}-{glibc}".replace(".", "-")
    functions.create_function(
        FunctionName=name, Runtime=runtime, Role=ROLE, Handler="main.handler", Code={"ZipFile": package(glibc)}
    )
    answer = functions.invoke(FunctionName=name)
    said = json.loads(answer["Payload"].read())
    if loads:
        assert said == "ran"
        return
    assert answer["FunctionError"] == "Unhandled"
    assert said["errorType"] == "Runtime.ImportModuleError"
    assert said["errorMessage"] == (
        f"Unable to import module 'main': /lib64/libc.so.6: version `GLIBC_{glibc}' not found "
        f"(required by /var/task/lib/_rust_{glibc}.so)"
    )

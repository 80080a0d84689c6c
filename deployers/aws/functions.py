"""Calling the functions of stacks. https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from deployers.aws.faults import aws_faults
from deployers.aws.session import Access, client
from deployers.errors import FunctionFailed

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


def invoke(access: Access, *, function: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """What the function answers. `function` is its name or ARN.

    It may be called twice for one answer, as a call that got none is tried again. Raises AwsError; FunctionFailed when
    the function itself crashed or ran out of time.
    """
    with aws_faults():
        called = cast("LambdaClient", client(access, "lambda")).invoke(
            FunctionName=function, Payload=json.dumps(payload).encode()
        )
        answer = called["Payload"].read()
    if called.get("FunctionError"):
        # What it was handed or printed may be among the words of a crash, so only the log of the function has them.
        raise FunctionFailed(
            f"The function {function} failed.", remedy="Look at its log in CloudWatch, then try again."
        )
    found = json.loads(answer or b"null")
    return found if isinstance(found, dict) else {}

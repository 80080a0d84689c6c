"""Answering CloudFormation, whatever happens.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
"""

import json
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from lambdas.common import log

Act = Callable[[Mapping[str, Any]], Mapping[str, str]]
"""Does what the request asks for and returns the resource's attributes (`Data`)."""


class AnswersLater(Exception):
    """The work goes on in another call of the function, which is under way and answers."""


def handle(event: Mapping[str, Any], act: Act, *, physical_id: str) -> None:
    """Run `act` and tell CloudFormation how it went, unless it raises `AnswersLater`.

    The physical id must be the same for Create and every Update: CloudFormation deletes the old resource when the id
    changes. So the one that it knows already always wins.
    """
    status, reason, data = "FAILED", "The function stopped before it was done", dict[str, str]()
    answers = True
    try:
        data = dict(act(event))
        status, reason = "SUCCESS", ""
    except AnswersLater:
        answers = False
    except Exception as error:  # noqa: BLE001 - whatever it is, the stack must not wait an hour
        log.exception("custom_resource_failed", error, request=event.get("RequestType"))
        reason = f"{type(error).__name__}: {error}"[:1000]
    finally:
        if answers:
            _answer(
                event["ResponseURL"],
                {
                    "Status": status,
                    "Reason": reason,
                    "PhysicalResourceId": event.get("PhysicalResourceId") or physical_id,
                    "StackId": event["StackId"],
                    "RequestId": event["RequestId"],
                    "LogicalResourceId": event["LogicalResourceId"],
                    "Data": data,
                },
            )


def _answer(url: str, document: Mapping[str, Any]) -> None:
    if not url.startswith(("https://", "http://")):
        raise ValueError("The ResponseURL is no web address")
    # A presigned S3 URL, whose signature covers an empty content type.
    request = urllib.request.Request(  # noqa: S310
        url, data=json.dumps(document).encode(), method="PUT", headers={"Content-Type": ""}
    )
    for attempt in range(3):
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
                response.read()
        except OSError as error:
            if attempt == 2:
                raise
            log.exception("custom_resource_answer_failed", error, attempt=attempt + 1)
        else:
            return

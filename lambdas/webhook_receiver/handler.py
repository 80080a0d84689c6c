"""Behind API Gateway: POST /gitpull and POST /zipdl."""

import json
from functools import cache
from typing import Any

from lambdas.common import clients
from lambdas.common.deliveries import DeliveryTable
from lambdas.common.provider_secret import SecretReader
from lambdas.webhook_receiver.receive import Receiver, receive
from lambdas.webhook_receiver.request import Request
from lambdas.webhook_receiver.settings import Settings


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Answer one request. An error of AWS's is let through: the provider then sees a 500 and shows it."""
    answer = receive(_receiver(), Request.from_event(event))
    return {
        "statusCode": answer.code,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": json.dumps({"delivery": answer.delivery, "status": answer.status, "reason": answer.reason}),
    }


@cache
def _receiver() -> Receiver:
    settings = Settings.from_environment()
    return Receiver(
        settings=settings,
        table=DeliveryTable(clients.dynamodb(), settings.deliveries_table),
        secrets=SecretReader(clients.secrets_manager(), settings.provider_secret_arn),
        sqs=clients.sqs(),
    )
